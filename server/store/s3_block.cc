#include "server/store/s3_block.h"

#include <algorithm>
#include <charconv>
#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "core/base/hash.h"
#include "core/base/status_macros.h"

namespace dcac::store {
namespace {

constexpr std::string_view kHeadMagic = "DCACS3B1";
constexpr std::string_view kPartMagic = "DCACS3P1";
constexpr int kLengthBytes = 4;
constexpr int kKeySizeBytes = 2;
constexpr std::size_t kPartStartBytes = 16;
constexpr std::size_t kChunksOfPart = kS3PartBytes / kS3ChunkBytes;

void AppendTable(std::span<const std::uint64_t> table, Bytes& out) {
  for (const std::uint64_t checksum : table) AppendLittleEndian(checksum, kHashBytes, out);
}

// Nothing: the checksum at the end is not that of what is before.
bool IsWhole(ByteSpan bytes) {
  if (bytes.size() < kHashBytes) return false;
  const std::size_t end = bytes.size() - kHashBytes;
  return LoadLittleEndian(bytes.data() + end, kHashBytes) == HashOf(bytes.first(end));
}

absl::Status ReadSized(ByteReader& reader, const char* what, int size_bytes, ByteSpan& value) {
  std::uint64_t size = 0;
  DCAC_RETURN_IF_ERROR(reader.ReadLittleEndian(what, size_bytes, size));
  return reader.ReadSpan(what, size, value);
}

}  // namespace

Bytes SerializeHead(S3Head& head) {
  Bytes out;
  AppendBytes(AsBytes(kHeadMagic), out);
  const std::string record = SerializeRecord(head.record);
  const std::string& key = head.record.info.key;
  head.head_bytes = kS3HeadStartBytes + kKeySizeBytes + key.size() + kLengthBytes + record.size() + 1 +
                    head.parts_id.size() + kLengthBytes + kHashBytes * (head.checksums.size() + 1);
  AppendLittleEndian(head.head_bytes, kLengthBytes, out);
  AppendLittleEndian(key.size(), kKeySizeBytes, out);
  AppendBytes(AsBytes(key), out);
  AppendLittleEndian(record.size(), kLengthBytes, out);
  AppendBytes(AsBytes(record), out);
  AppendLittleEndian(head.parts_id.size(), 1, out);
  AppendBytes(AsBytes(head.parts_id), out);
  AppendLittleEndian(head.checksums.size(), kLengthBytes, out);
  AppendTable(head.checksums, out);
  AppendLittleEndian(HashOf(out), kHashBytes, out);
  return out;
}

absl::StatusOr<std::size_t> HeadBytesOf(ByteSpan start) {
  if (start.size() < kS3HeadStartBytes || AsText(start.first(kHeadMagic.size())) != kHeadMagic) {
    return absl::DataLossError("the object does not begin as a block");
  }
  const std::uint64_t size = LoadLittleEndian(start.data() + kHeadMagic.size(), kLengthBytes);
  if (size < kS3HeadStartBytes + kHashBytes || size > kS3MaxHeadBytes) {
    return absl::DataLossError(absl::StrCat("the head has ", size, " bytes, expected at most ", kS3MaxHeadBytes));
  }
  return static_cast<std::size_t>(size);
}

absl::StatusOr<S3Head> ParseHead(ByteSpan bytes) {
  if (!IsWhole(bytes)) return absl::DataLossError("the checksum of the head does not match");
  ByteReader reader(bytes.first(bytes.size() - kHashBytes));
  ByteSpan start, key, record, id;
  DCAC_RETURN_IF_ERROR(reader.ReadSpan("start", kS3HeadStartBytes, start));
  DCAC_RETURN_IF_ERROR(ReadSized(reader, "key", kKeySizeBytes, key));
  DCAC_RETURN_IF_ERROR(ReadSized(reader, "record", kLengthBytes, record));
  DCAC_RETURN_IF_ERROR(ReadSized(reader, "id", 1, id));
  S3Head head;
  head.head_bytes = bytes.size();
  head.parts_id = AsText(id);
  DCAC_ASSIGN_OR_RETURN(head.record, ParseRecord(AsText(key), AsText(record)));
  std::uint64_t count = 0;
  DCAC_RETURN_IF_ERROR(reader.ReadLittleEndian("checksums", kLengthBytes, count));
  if (count != ChunksOf(head.record.info.size_bytes) || count * kHashBytes != reader.remaining()) {
    return absl::DataLossError(
        absl::StrCat("the head has ", count, " checksums, expected ", ChunksOf(head.record.info.size_bytes)));
  }
  head.checksums.resize(count);
  for (std::uint64_t& checksum : head.checksums) {
    DCAC_RETURN_IF_ERROR(reader.ReadLittleEndian("checksum", kHashBytes, checksum));
  }
  return head;
}

void AppendChecksums(ByteSpan bytes, std::size_t first, std::vector<std::uint64_t>& checksums) {
  for (std::size_t at = 0; at < bytes.size(); at += kS3ChunkBytes) {
    checksums.push_back(HashOf(bytes.subspan(at, std::min(kS3ChunkBytes, bytes.size() - at)), first++));
  }
}

bool MatchesChecksums(ByteSpan bytes, std::size_t first, std::span<const std::uint64_t> checksums) {
  std::vector<std::uint64_t> found;
  AppendChecksums(bytes, first, found);
  return first + found.size() <= checksums.size() && std::ranges::equal(found, checksums.subspan(first, found.size()));
}

std::size_t PartHeaderBytes(std::size_t part_bytes) {
  return kPartStartBytes + kHashBytes * (ChunksOf(part_bytes) + 1);
}

Bytes SerializePartHeader(const S3Part& part) {
  Bytes out;
  AppendBytes(AsBytes(kPartMagic), out);
  AppendLittleEndian(part.number, kLengthBytes, out);
  AppendLittleEndian(part.size_bytes, kLengthBytes, out);
  AppendTable(part.checksums, out);
  AppendLittleEndian(HashOf(out), kHashBytes, out);
  return out;
}

absl::StatusOr<std::vector<std::uint64_t>> ParsePartHeader(std::size_t number, std::size_t size_bytes,
                                                           ByteSpan header) {
  std::vector<std::uint64_t> table(ChunksOf(size_bytes));
  if (header.size() == PartHeaderBytes(size_bytes)) {
    for (std::size_t i = 0; i < table.size(); ++i) {
      table[i] = LoadLittleEndian(header.data() + kPartStartBytes + i * kHashBytes, kHashBytes);
    }
    if (std::ranges::equal(header, SerializePartHeader({number, size_bytes, table}))) return table;
  }
  return absl::DataLossError(absl::StrCat("part ", number, " of an upload does not begin as one"));
}

std::string PartName(const S3Part& part) {
  Bytes table;
  AppendTable(part.checksums, table);
  return absl::StrFormat("%08x-%x-%016x", part.number, part.size_bytes, HashOf(table, part.number));
}

bool ParsePartName(std::string_view name, std::size_t& number, std::size_t& size_bytes) {
  const char* end = name.data() + name.size();
  const auto first = std::from_chars(name.data(), end, number, 16);
  if (first.ec != std::errc() || first.ptr == end || *first.ptr != '-') return false;
  const auto second = std::from_chars(first.ptr + 1, end, size_bytes, 16);
  return second.ec == std::errc() && second.ptr != end && *second.ptr == '-' && size_bytes > 0 &&
         size_bytes <= kS3PartBytes;
}

S3Part PartOf(std::size_t number, std::uint64_t block_bytes, std::span<const std::uint64_t> checksums) {
  const std::uint64_t begin = std::uint64_t{number} * kS3PartBytes;
  const std::size_t size = static_cast<std::size_t>(std::min<std::uint64_t>(kS3PartBytes, block_bytes - begin));
  return {number, size, checksums.subspan(number * kChunksOfPart, ChunksOf(size))};
}

}  // namespace dcac::store
