// A block that is being put into an S3 store.
#ifndef DCAC_SERVER_STORE_S3_UPLOAD_H_
#define DCAC_SERVER_STORE_S3_UPLOAD_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/store/block_store.h"
#include "server/store/s3_blocks.h"

namespace dcac::store {

// Up to kS3InlineBytes are kept in memory, more go out in parts as they come.  Those that can be resumed put parts from
// the first byte on, and before the first part what they began with; what is in no part yet follows when the upload is
// destroyed, as far as that can be done quickly.
class S3Upload : public Upload {
 public:
  static absl::StatusOr<std::unique_ptr<Upload>> Begin(S3Blocks& blocks, const UploadStart& start,
                                                       const CallControl& control);
  // On any server that has the bucket.
  static absl::StatusOr<std::unique_ptr<Upload>> Resume(S3Blocks& blocks, const std::string& id,
                                                        const std::string& owner, const CallControl& control);

  // What an upload began with that may be resumed.  Errors: NotFound (it is over, or cannot be read any more).
  static absl::StatusOr<UploadStart> ReadStart(S3Blocks& blocks, const std::string& id, const CallControl& control);

  ~S3Upload() override;

  const std::string& id() const override { return id_; }
  const std::string& key() const override { return start_.key; }
  const std::string& state() const override { return start_.state; }
  std::uint64_t size_bytes() const override { return memory_offset_ + memory_.size(); }
  std::uint64_t kept_bytes() const override { return start_.state.empty() ? 0 : kept_bytes_; }
  absl::Status Append(std::span<const std::byte> bytes, const CallControl& control) override;
  absl::Status Read(std::uint64_t offset, std::span<std::byte> out, const CallControl& control) override;
  absl::StatusOr<BlockInfo> Commit(const PutOptions& options, const CallControl& control) override;
  absl::Status Abort() override;

 private:
  S3Upload(S3Blocks& blocks, std::string id, UploadStart start);

  bool resumable() const { return !start_.state.empty(); }
  absl::Status ReserveFor(std::uint64_t size_bytes);
  // Notes what it began with, unless that is there: it can be resumed from then on.
  absl::Status KeepState(const CallControl& control);
  // Puts whole parts, and with `all` the rest too.
  absl::Status PutParts(bool all, const CallControl& control);
  // What Resume finds of it.
  absl::Status FindParts(const CallControl& control);
  S3Bytes InParts(std::uint64_t size_bytes, std::span<const std::uint64_t> checksums) const;
  absl::Status CheckOpen(const CallControl& control);
  void End();
  // For who resumes it: what is reserved for what is in the bucket.
  void BreakOff();

  S3Blocks& blocks_;
  const std::string id_;
  const UploadStart start_;
  Bytes memory_;  // the last bytes, from `memory_offset_` on, where a part begins
  std::uint64_t memory_offset_ = 0;
  std::uint64_t kept_bytes_ = 0;          // in parts
  std::vector<std::uint64_t> checksums_;  // of these
  std::uint64_t reserved_bytes_ = 0;
  bool has_state_ = false;  // in the bucket
  bool ended_ = false;
  bool may_be_published_ = false;  // a block may refer to the parts
};

}  // namespace dcac::store

#endif  // DCAC_SERVER_STORE_S3_UPLOAD_H_
