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
// So much is compared and copied at a time: it stays in the cache between the two.
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
    // Of a chunk all must be there to be compared.
    if (block_.beginning.size() < info().size_bytes) {
      block_.beginning = block_.beginning.first(block_.beginning.size() / kS3ChunkBytes * kS3ChunkBytes);
    }
  }

  const BlockInfo& info() const override { return block_.head.record.info; }
  std::uint64_t memory_bytes() const override { return block_.beginning.size(); }

  absl::Status Read(std::uint64_t offset, std::span<std::byte> out, const CallControl& control) const override {
    DCAC_RETURN_IF_ERROR(CheckControl(control));
    DCAC_RETURN_IF_ERROR(CheckRange(info(), offset, out.size()));
    while (offset < block_.beginning.size() && !out.empty()) {
      const std::size_t left = std::min<std::size_t>(out.size(), block_.beginning.size() - offset);
      const std::size_t size = std::min<std::size_t>(left, kStepBytes - offset % kStepBytes);
      DCAC_RETURN_IF_ERROR(CopyBeginning(static_cast<std::size_t>(offset), out.first(size)));
      offset += size;
      out = out.subspan(size);
    }
    return out.empty() ? absl::OkStatus() : ReadS3Bytes(client_, bytes_, offset, out, control);
  }

 private:
  absl::Status CopyBeginning(std::size_t offset, std::span<std::byte> out) const {
    const std::size_t first = offset / kS3ChunkBytes;
    const std::size_t end = std::min(block_.beginning.size(), ChunksOf(offset + out.size()) * kS3ChunkBytes);
    const ByteSpan chunks = block_.beginning.subspan(first * kS3ChunkBytes, end - first * kS3ChunkBytes);
    if (!MatchesChecksums(chunks, first, block_.head.checksums)) {
      return absl::DataLossError(absl::StrCat(info().key, ": bytes up to ", end, " are not those that were put"));
    }
    std::memcpy(out.data(), block_.beginning.data() + offset, out.size());
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
