#include "server/store/s3_reader.h"

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "server/store/checks.h"

namespace dcac::store {
namespace {

constexpr std::size_t kParallelRanges = 8;
// So much is compared and copied at a time, while more arrives.
constexpr std::size_t kStepBytes = 4 * kS3ChunkBytes;

// Whole chunks within one part.
struct Range {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
};

std::vector<Range> RangesOf(const S3Bytes& bytes, std::uint64_t offset, std::uint64_t size) {
  std::vector<Range> ranges;
  const std::uint64_t end = std::min<std::uint64_t>(ChunksOf(offset + size) * kS3ChunkBytes, bytes.size_bytes);
  for (std::uint64_t at = offset / kS3ChunkBytes * kS3ChunkBytes; at < end;) {
    const std::uint64_t next = std::min(end, (at / kS3PartBytes + 1) * kS3PartBytes);
    ranges.push_back({at, next});
    at = next;
  }
  return ranges;
}

absl::Status ReadRange(S3Client& client, const S3Bytes& bytes, const Range& range, std::span<std::byte> out,
                       const CallControl& control) {
  std::string object = bytes.object;
  std::uint64_t offset = bytes.offset + range.begin;
  if (object.empty()) {
    const std::size_t number = static_cast<std::size_t>(range.begin / kS3PartBytes);
    const S3Part part = PartOf(number, bytes.size_bytes, bytes.checksums);
    object = absl::StrCat(bytes.parts, PartName(part));
    offset = PartHeaderBytes(part.size_bytes) + range.begin % kS3PartBytes;
  }
  absl::StatusOr<S3Got> got = client.Get(object, offset, out, control);
  if (absl::IsNotFound(got.status()) || (got.ok() && !bytes.etag.empty() && got->etag != bytes.etag)) {
    return absl::NotFoundError(absl::StrCat(bytes.key, ": the block was deleted or put anew while it was read"));
  }
  DCAC_RETURN_IF_ERROR(got.status());
  if (got->bytes == out.size() &&
      MatchesChecksums(out, static_cast<std::size_t>(range.begin / kS3ChunkBytes), bytes.checksums)) {
    return absl::OkStatus();
  }
  return absl::DataLossError(
      absl::StrCat(bytes.key, ": bytes ", range.begin, " .. ", range.end, " are not those that were put"));
}

// The part of a range that is wanted, straight into `out` if all of it is.
absl::Status ReadWanted(S3Client& client, const S3Bytes& bytes, const Range& range, std::uint64_t offset,
                        std::span<std::byte> out, const CallControl& control) {
  const std::uint64_t begin = std::max(range.begin, offset);
  const std::uint64_t end = std::min<std::uint64_t>(range.end, offset + out.size());
  const auto wanted = out.subspan(begin - offset, end - begin);
  if (begin == range.begin && end == range.end) return ReadRange(client, bytes, range, wanted, control);
  Bytes whole(range.end - range.begin);
  DCAC_RETURN_IF_ERROR(ReadRange(client, bytes, range, whole, control));
  std::memcpy(wanted.data(), whole.data() + (begin - range.begin), wanted.size());
  return absl::OkStatus();
}

class S3Reader : public BlockReader {
 public:
  S3Reader(S3Client& client, S3Block block, std::string parts) : client_(client), block_(std::move(block)) {
    const S3Head& head = block_.head;
    const bool in_parts = !head.parts_id.empty();
    bytes_ = {.key = info().key,
              .object = in_parts ? "" : block_.object,
              .offset = head.head_bytes,
              .etag = in_parts ? "" : block_.etag,
              .parts = std::move(parts),
              .size_bytes = info().size_bytes,
              .checksums = head.checksums};
  }

  const BlockInfo& info() const override { return block_.head.record.info; }

  absl::Status Read(std::uint64_t offset, std::span<std::byte> out, const CallControl& control) const override {
    DCAC_RETURN_IF_ERROR(CheckControl(control));
    DCAC_RETURN_IF_ERROR(CheckRange(info(), offset, out.size()));
    while (!out.empty()) {
      const std::size_t size = std::min<std::size_t>(out.size(), kStepBytes - offset % kStepBytes);
      DCAC_ASSIGN_OR_RETURN(const ByteSpan beginning, Beginning(offset + size, control));
      if (offset + size > beginning.size()) return ReadS3Bytes(client_, bytes_, offset, out, control);
      DCAC_RETURN_IF_ERROR(CopyBeginning(beginning, static_cast<std::size_t>(offset), out.first(size)));
      offset += size;
      out = out.subspan(size);
    }
    return absl::OkStatus();
  }

 private:
  // The block's bytes up to `end` and the end of that chunk, or as many of them as came with the head.
  absl::StatusOr<ByteSpan> Beginning(std::uint64_t end, const CallControl& control) const {
    ByteSpan beginning = block_.beginning;
    if (block_.download) {
      const std::uint64_t chunks = std::min<std::uint64_t>(ChunksOf(end) * kS3ChunkBytes, info().size_bytes);
      DCAC_ASSIGN_OR_RETURN(beginning, block_.download->Await(block_.head.head_bytes + chunks, control));
      beginning = beginning.subspan(block_.head.head_bytes);
    }
    if (beginning.size() == info().size_bytes) return beginning;
    // Of a chunk all must be there to be compared.
    return beginning.first(beginning.size() / kS3ChunkBytes * kS3ChunkBytes);
  }

  absl::Status CopyBeginning(ByteSpan beginning, std::size_t offset, std::span<std::byte> out) const {
    const std::size_t first = offset / kS3ChunkBytes;
    const std::size_t end = std::min(beginning.size(), ChunksOf(offset + out.size()) * kS3ChunkBytes);
    const ByteSpan chunks = beginning.subspan(first * kS3ChunkBytes, end - first * kS3ChunkBytes);
    if (!MatchesChecksums(chunks, first, block_.head.checksums)) {
      return absl::DataLossError(absl::StrCat(info().key, ": bytes up to ", end, " are not those that were put"));
    }
    std::memcpy(out.data(), beginning.data() + offset, out.size());
    return absl::OkStatus();
  }

  S3Client& client_;
  S3Block block_;
  S3Bytes bytes_;
};

}  // namespace

absl::Status ReadS3Bytes(S3Client& client, const S3Bytes& bytes, std::uint64_t offset, std::span<std::byte> out,
                         const CallControl& control) {
  const std::vector<Range> ranges = RangesOf(bytes, offset, out.size());
  std::vector<absl::Status> results(ranges.size());
  InParallel(ranges.size(), kParallelRanges,
             [&](std::size_t i) { results[i] = ReadWanted(client, bytes, ranges[i], offset, out, control); });
  for (const absl::Status& status : results) DCAC_RETURN_IF_ERROR(status);
  return absl::OkStatus();
}

std::shared_ptr<const BlockReader> MakeS3Reader(S3Client& client, S3Block block, std::string parts) {
  return std::make_shared<S3Reader>(client, std::move(block), std::move(parts));
}

}  // namespace dcac::store
