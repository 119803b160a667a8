// The bytes of objects in an S3 store: heads of blocks, and parts of large ones.
//
//   head   "DCACS3B1", its size (4), size of key (2), key, size of record (4), record (record.h), size of id (1), id of
//          the parts or nothing, number of checksums (4), checksums (8 each), checksum of all before (8)
//   block  head, and the bytes of the block if the head has no id
//   part   "DCACS3P1", its number (4), its size (4), checksums (8 each), checksum of all before (8), bytes
//
// All numbers are little-endian.  There is a checksum for each 64 KiB of a block: XXH3-64 with their number as seed.
#ifndef DCAC_SERVER_STORE_S3_BLOCK_H_
#define DCAC_SERVER_STORE_S3_BLOCK_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/base/bytes.h"
#include "server/store/record.h"

namespace dcac::store {

inline constexpr std::size_t kS3ChunkBytes = std::size_t{64} << 10;
inline constexpr std::size_t kS3PartBytes = std::size_t{4} << 20;
inline constexpr std::size_t kS3InlineBytes = std::size_t{8} << 20;  // larger blocks have parts
inline constexpr std::size_t kS3MaxHeadBytes = std::size_t{16} << 20;
inline constexpr std::size_t kS3HeadStartBytes = 12;

struct S3Head {
  Record record;
  std::string parts_id;  // empty: the bytes follow the head
  std::vector<std::uint64_t> checksums;
  std::size_t head_bytes = 0;  // of the serialized head
};

Bytes SerializeHead(S3Head& head);  // sets head_bytes

// From the first kS3HeadStartBytes.  Errors: DataLoss.
absl::StatusOr<std::size_t> HeadBytesOf(ByteSpan start);
absl::StatusOr<S3Head> ParseHead(ByteSpan head);

// Of bytes from chunk number `first` on.
void AppendChecksums(ByteSpan bytes, std::size_t first, std::vector<std::uint64_t>& checksums);

// The bytes are those of chunks `first` on.
bool MatchesChecksums(ByteSpan bytes, std::size_t first, std::span<const std::uint64_t> checksums);

inline std::size_t ChunksOf(std::uint64_t bytes) {
  return static_cast<std::size_t>((bytes + kS3ChunkBytes - 1) / kS3ChunkBytes);
}

// A part of a block; `checksums` are its own.
struct S3Part {
  std::size_t number = 0;
  std::size_t size_bytes = 0;
  std::span<const std::uint64_t> checksums;
};

std::size_t PartHeaderBytes(std::size_t part_bytes);
Bytes SerializePartHeader(const S3Part& part);
// Errors: DataLoss (not of this part).
absl::StatusOr<std::vector<std::uint64_t>> ParsePartHeader(std::size_t number, std::size_t size_bytes, ByteSpan header);

// "NUMBER-SIZE-HASH": parts of other content have other names, so that none can take the place of another.
std::string PartName(const S3Part& part);
// The number and the size of a name; false: that is none.
bool ParsePartName(std::string_view name, std::size_t& number, std::size_t& size_bytes);

// Part number `number` of a block.
S3Part PartOf(std::size_t number, std::uint64_t block_bytes, std::span<const std::uint64_t> checksums);

}  // namespace dcac::store

#endif  // DCAC_SERVER_STORE_S3_BLOCK_H_
