#include "core/files/archive.h"

#include <xxhash.h>
#include <zstd.h>

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "core/files/npy.h"

namespace dcac::files {
namespace {

constexpr std::array<std::byte, 4> kMagic = {std::byte{'D'}, std::byte{'C'}, std::byte{'A'}, std::byte{'R'}};
constexpr unsigned kVersion = 1;
constexpr std::size_t kChecksumBytes = 4;
constexpr std::size_t kFirstReadBytes = 4096;
constexpr int kZstdLevel = 19;  // the blocks are short, and every byte of a small archive counts

// Bits of the flags byte; the others are reserved and 0.
constexpr unsigned kCanonicalNpyHeader = 1u << 0;
constexpr unsigned kPrefixPresent = 1u << 1;
constexpr unsigned kPrefixZstd = 1u << 2;
constexpr unsigned kSuffixPresent = 1u << 3;
constexpr unsigned kSuffixZstd = 1u << 4;
constexpr unsigned kKnownFlags = (1u << 5) - 1;

using Bytes = std::vector<std::byte>;
using ByteView = std::span<const std::byte>;
using ByteSpan = std::span<std::byte>;

std::uint32_t Checksum(ByteView head) {
  return static_cast<std::uint32_t>(XXH3_64bits(head.data(), head.size()));
}

void AppendVarint(std::uint64_t value, Bytes& out) {
  for (; value >= 0x80; value >>= 7) out.push_back(static_cast<std::byte>(value | 0x80));
  out.push_back(static_cast<std::byte>(value));
}

// A literal block as it is stored: as it is, or by zstd where the block with its second length is then smaller.
struct StoredBlock {
  Bytes bytes;  // lengths and content
  bool zstd = false;
};

StoredBlock StoreBlock(ByteView block) {
  StoredBlock plain;
  AppendVarint(block.size(), plain.bytes);
  StoredBlock packed{plain.bytes, true};
  plain.bytes.insert(plain.bytes.end(), block.begin(), block.end());

  Bytes content(ZSTD_compressBound(block.size()));
  const std::size_t n = ZSTD_compress(content.data(), content.size(), block.data(), block.size(), kZstdLevel);
  if (ZSTD_isError(n)) return plain;
  AppendVarint(n, packed.bytes);
  packed.bytes.insert(packed.bytes.end(), content.begin(), content.begin() + static_cast<std::ptrdiff_t>(n));
  return packed.bytes.size() < plain.bytes.size() ? packed : plain;
}

// Reads fields from the start of a head that may not have arrived completely.
class HeadReader {
 public:
  // The error of every function where the bytes end too early.  No other error has this code.
  static constexpr absl::StatusCode kIncomplete = absl::StatusCode::kOutOfRange;

  explicit HeadReader(ByteView data) : data_(data) {}

  std::size_t position() const { return position_; }

  absl::StatusOr<ByteView> Take(std::size_t n) {
    if (data_.size() - position_ < n) return absl::Status(kIncomplete, "");
    const ByteView view = data_.subspan(position_, n);
    position_ += n;
    return view;
  }

  // A length of 1 to `limit`.
  absl::StatusOr<std::size_t> Length(std::size_t limit) {
    std::size_t value = 0;
    for (unsigned shift = 0; shift < 7 * kMaxVarintBytes; shift += 7) {
      DCAC_ASSIGN_OR_RETURN(const ByteView byte, Take(1));
      const auto bits = std::to_integer<std::size_t>(byte.front());
      value |= (bits & 0x7f) << shift;
      if (bits & 0x80) continue;
      if (bits == 0 || value > limit) {
        return absl::DataLossError(absl::StrCat("a length in the archive head is ", value, " in ", shift / 7 + 1,
                                                " bytes, expected 1 to ", limit, " in as few as possible"));
      }
      return value;
    }
    return absl::DataLossError(absl::StrCat("a length in the archive head has more than ", kMaxVarintBytes, " bytes"));
  }

  // A literal block of at most `limit` bytes.  Its checksum has not been checked yet.
  struct Block {
    std::size_t raw_bytes = 0;
    ByteView content{};
    bool zstd = false;
  };
  absl::StatusOr<Block> TakeBlock(bool zstd, std::size_t limit) {
    Block block{.zstd = zstd};
    DCAC_ASSIGN_OR_RETURN(block.raw_bytes, Length(limit));
    std::size_t stored_bytes = block.raw_bytes;
    if (zstd) {
      // Packed blocks are smaller than the bytes they stand for.
      DCAC_ASSIGN_OR_RETURN(stored_bytes, Length(block.raw_bytes));
    }
    DCAC_ASSIGN_OR_RETURN(block.content, Take(stored_bytes));
    return block;
  }

 private:
  static constexpr unsigned kMaxVarintBytes = 4;

  ByteView data_;
  std::size_t position_ = 0;
};

absl::StatusOr<Bytes> RestoreBlock(const HeadReader::Block& block) {
  if (!block.zstd) return Bytes(block.content.begin(), block.content.end());
  Bytes raw(block.raw_bytes);
  const std::size_t n = ZSTD_decompress(raw.data(), raw.size(), block.content.data(), block.content.size());
  if (ZSTD_isError(n) || n != raw.size()) return absl::DataLossError("a block of the archive head is corrupt");
  return raw;
}

// Checks version, kind and flags, which stand in that order.
absl::Status CheckFixedFields(ByteView fields) {
  const auto version = std::to_integer<unsigned>(fields[0]);
  const auto kind = std::to_integer<unsigned>(fields[1]);
  const auto flags = std::to_integer<unsigned>(fields[2]);
  if (version != kVersion) {
    return absl::UnimplementedError(absl::StrCat("archive version is ", version, ", expected ", kVersion));
  }
  if (kind != static_cast<unsigned>(ArchiveKind::kRaw) && kind != static_cast<unsigned>(ArchiveKind::kNpy)) {
    return absl::UnimplementedError(absl::StrCat("archive kind is ", kind, ", expected 1 or 2"));
  }
  const bool npy = kind == static_cast<unsigned>(ArchiveKind::kNpy);
  const bool canonical = flags & kCanonicalNpyHeader, prefix = flags & kPrefixPresent;
  if ((flags & ~kKnownFlags) || (canonical && (!npy || prefix)) || ((flags & kPrefixZstd) && !prefix) ||
      ((flags & kSuffixZstd) && !(flags & kSuffixPresent))) {
    return absl::DataLossError(absl::StrCat("archive flags ", flags, " contradict each other or are reserved"));
  }
  return absl::OkStatus();
}

absl::StatusOr<ParsedArchiveHead> ParseHead(ByteView data) {
  HeadReader reader(data);
  DCAC_RETURN_IF_ERROR(reader.Take(kMagic.size()).status());
  DCAC_ASSIGN_OR_RETURN(const ByteView fields, reader.Take(3));
  DCAC_RETURN_IF_ERROR(CheckFixedFields(fields));
  const auto flags = std::to_integer<unsigned>(fields[2]);

  HeadReader::Block prefix, suffix;
  if (flags & kPrefixPresent) {
    DCAC_ASSIGN_OR_RETURN(prefix, reader.TakeBlock(flags & kPrefixZstd, kMaxPrefixBytes));
  }
  if (flags & kSuffixPresent) {
    DCAC_ASSIGN_OR_RETURN(suffix, reader.TakeBlock(flags & kSuffixZstd, kMaxSuffixBytes));
  }
  const ByteView checked = data.first(reader.position());
  DCAC_ASSIGN_OR_RETURN(const ByteView stored, reader.Take(kChecksumBytes));
  std::uint32_t checksum = 0;
  for (std::size_t i = 0; i < kChecksumBytes; ++i) checksum |= std::to_integer<std::uint32_t>(stored[i]) << (8 * i);
  if (checksum != Checksum(checked)) return absl::DataLossError("the checksum of the archive head does not match");

  ParsedArchiveHead parsed{.head_bytes = reader.position()};
  parsed.head.kind = static_cast<ArchiveKind>(fields[1]);
  parsed.head.canonical_npy_header = flags & kCanonicalNpyHeader;
  DCAC_ASSIGN_OR_RETURN(parsed.head.prefix, RestoreBlock(prefix));
  DCAC_ASSIGN_OR_RETURN(parsed.head.suffix, RestoreBlock(suffix));
  return parsed;
}

}  // namespace

std::string_view ArchiveKindName(ArchiveKind kind) {
  return kind == ArchiveKind::kNpy ? "npy" : "raw";
}

std::vector<std::byte> OriginalPrefix(const ArchiveHead& head, const TensorSpec& spec) {
  return head.canonical_npy_header ? CanonicalNpyHeader(spec) : head.prefix;
}

std::vector<std::byte> SerializeArchiveHead(const ArchiveHead& head) {
  unsigned flags = head.canonical_npy_header ? kCanonicalNpyHeader : 0;
  Bytes blocks;
  const auto append = [&](const Bytes& block, unsigned present, unsigned zstd) {
    if (block.empty()) return;
    const StoredBlock stored = StoreBlock(block);
    flags |= present | (stored.zstd ? zstd : 0);
    blocks.insert(blocks.end(), stored.bytes.begin(), stored.bytes.end());
  };
  append(head.prefix, kPrefixPresent, kPrefixZstd);
  append(head.suffix, kSuffixPresent, kSuffixZstd);

  Bytes out(kMagic.begin(), kMagic.end());
  for (const unsigned field : {kVersion, static_cast<unsigned>(head.kind), flags}) {
    out.push_back(static_cast<std::byte>(field));
  }
  out.insert(out.end(), blocks.begin(), blocks.end());
  const std::uint32_t checksum = Checksum(out);
  for (unsigned shift = 0; shift < 32; shift += 8) out.push_back(static_cast<std::byte>(checksum >> shift));
  return out;
}

absl::StatusOr<std::optional<ParsedArchiveHead>> ParseArchiveHead(std::span<const std::byte> data) {
  const std::size_t magic_bytes = std::min(data.size(), kMagic.size());
  if (!std::equal(data.begin(), data.begin() + static_cast<std::ptrdiff_t>(magic_bytes), kMagic.begin())) {
    return absl::DataLossError("is no dcac archive");
  }
  absl::StatusOr<ParsedArchiveHead> parsed = ParseHead(data);
  if (parsed.status().code() == HeadReader::kIncomplete) return std::nullopt;
  if (!parsed.ok()) return parsed.status();
  return *std::move(parsed);
}

absl::StatusOr<ArchiveHead> ReadArchiveHead(PushbackSource& source) {
  Bytes data;
  for (std::size_t more = kFirstReadBytes;; more = data.size()) {
    const std::size_t before = data.size();
    data.resize(before + more);
    DCAC_ASSIGN_OR_RETURN(const std::size_t n, ReadFully(source, ByteSpan(data).subspan(before)));
    data.resize(before + n);
    DCAC_ASSIGN_OR_RETURN(std::optional<ParsedArchiveHead> parsed, ParseArchiveHead(data));
    if (parsed) {
      source.Unread(ByteView(data).subspan(parsed->head_bytes));
      return std::move(parsed->head);
    }
    if (n < more)
      return absl::DataLossError(absl::StrCat("ends within the archive head, after ", data.size(), " bytes"));
  }
}

}  // namespace dcac::files
