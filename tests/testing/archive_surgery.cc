#include "tests/testing/archive_surgery.h"

#include <xxhash.h>
#include <zstd.h>

#include <algorithm>
#include <utility>

#include "core/base/bytes.h"
#include "core/files/archive.h"

namespace dcac::testing {
namespace {

constexpr std::size_t kFixedBytes = 7, kChecksumBytes = 4;
constexpr std::uint8_t kSingle = 1, kPacked = 2, kOpen = 4;

void AppendChecksum(Bytes& out) {
  AppendLittleEndian(static_cast<std::uint32_t>(XXH3_64bits(out.data(), out.size())), kChecksumBytes, out);
}

// Reads the table behind the fixed fields, unpacked; false where there is none that fits.
bool TakeTable(ByteReader& reader, LooseArchive& loose) {
  constexpr std::uint64_t kMostBytes = 1 << 20;
  std::uint64_t table_bytes = 0, stored_bytes = 0;
  if (!reader.ReadVarint("table length", table_bytes).ok() || table_bytes > kMostBytes) return false;
  stored_bytes = table_bytes;
  if (loose.packed && !reader.ReadVarint("stored length", stored_bytes).ok()) return false;
  ByteSpan content;
  if (!reader.ReadSpan("table", stored_bytes, content).ok()) return false;
  if (!loose.packed) {
    loose.table.emplace(content.begin(), content.end());
    return true;
  }
  loose.table.emplace(static_cast<std::size_t>(table_bytes));
  return ZSTD_decompress(loose.table->data(), loose.table->size(), content.data(), content.size()) == table_bytes;
}

// Cuts what is between head and tail into the frames that the tail counts; all in one where it is not right.
void TakeFrames(ByteSpan rest, LooseArchive& loose) {
  const auto whole = [&] { loose.frames = {Bytes(rest.begin(), rest.end())}; };
  const auto tail_bytes = files::ArchiveTailBytes(rest);
  if (!loose.digest || !tail_bytes.ok() || *tail_bytes > rest.size()) return whole();
  const ByteSpan tail = rest.last(*tail_bytes);
  std::copy_n(tail.end() - files::kArchiveTailEndBytes - loose.digest->size(), loose.digest->size(),
              loose.digest->begin());
  rest = rest.first(rest.size() - tail.size());
  ByteReader sizes(tail.first(tail.size() - files::kArchiveTailEndBytes - loose.digest->size())
                       .subspan(files::kArchiveTailMagicBytes));
  std::uint64_t bytes = 0;
  for (ByteSpan left = rest; !left.empty(); left = left.subspan(static_cast<std::size_t>(bytes))) {
    if (!sizes.ReadVarint("size", bytes).ok() || bytes > left.size()) return whole();
    const ByteSpan frame = left.first(static_cast<std::size_t>(bytes));
    loose.frames.emplace_back(frame.begin(), frame.end());
  }
}

}  // namespace

std::optional<LooseArchive> TakeArchiveApart(std::span<const std::byte> archive) {
  if (archive.size() < kFixedBytes + kChecksumBytes) return std::nullopt;
  LooseArchive loose;
  loose.fixed.assign(archive.begin(), archive.begin() + kFixedBytes);
  const std::uint8_t flags = std::to_integer<std::uint8_t>(loose.fixed.back());
  loose.packed = flags == kPacked;
  ByteReader reader(archive.subspan(kFixedBytes));
  if (flags != kSingle && flags != kOpen && !TakeTable(reader, loose)) return std::nullopt;
  if (reader.remaining() < kChecksumBytes) return std::nullopt;
  if (flags != kSingle) loose.digest.emplace();
  TakeFrames(archive.subspan(kFixedBytes + reader.position() + kChecksumBytes), loose);
  return loose;
}

std::vector<std::byte> AssembleArchive(const LooseArchive& loose) {
  Bytes out = loose.fixed;
  if (loose.table) {
    Bytes content = *loose.table;
    AppendVarint(content.size(), out);
    if (loose.packed) {
      content.resize(ZSTD_compressBound(content.size()));
      content.resize(ZSTD_compress(content.data(), content.size(), loose.table->data(), loose.table->size(), 1));
      AppendVarint(content.size(), out);
    }
    AppendBytes(content, out);
  }
  AppendChecksum(out);
  files::ArchiveTail tail;
  for (const Bytes& frame : loose.frames) {
    AppendBytes(frame, out);
    tail.frame_bytes.push_back(frame.size());
  }
  if (!loose.digest) return out;
  tail.digest = *loose.digest;
  AppendBytes(files::SerializeArchiveTail(tail), out);
  return out;
}

}  // namespace dcac::testing
