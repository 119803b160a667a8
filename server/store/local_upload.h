// A block that is being put into a local store.
#ifndef DCAC_SERVER_STORE_LOCAL_UPLOAD_H_
#define DCAC_SERVER_STORE_LOCAL_UPLOAD_H_

#include <future>
#include <memory>
#include <optional>
#include <string>

#include "server/store/local_blocks.h"

namespace dcac::store {

// In memory while it is small enough for the index, then in a file.
class LocalUpload final : public Upload {
 public:
  // Errors: ResourceExhausted (capacity, quota).
  static absl::StatusOr<std::unique_ptr<Upload>> Begin(LocalBlocks& blocks, const UploadStart& start);
  // Errors: NotFound, Unavailable.
  static absl::StatusOr<std::unique_ptr<Upload>> Resume(LocalBlocks& blocks, const std::string& id,
                                                        const std::string& owner);
  ~LocalUpload() override;

  const std::string& id() const override { return owner_.id; }
  const std::string& key() const override { return owner_.key; }
  const std::string& state() const override { return owner_.state; }
  std::uint64_t size_bytes() const override { return writer_ ? writer_->size_bytes() : small_.size(); }
  std::uint64_t kept_bytes() const override { return writer_ ? writer_->written_bytes() : 0; }
  absl::Status Append(std::span<const std::byte> bytes, const CallControl& control) override;
  absl::Status Read(std::uint64_t offset, std::span<std::byte> out, const CallControl& control) override;
  absl::Status KeepInput(std::uint64_t offset, std::span<const std::span<const std::byte>> parts) override;
  absl::StatusOr<KeptInput> ReadInput(const CallControl& control) override;
  absl::Status Seal(const CallControl& control) override;
  absl::StatusOr<BlockInfo> Commit(const PutOptions& options, const CallControl& control) override;
  absl::Status Abort() override;

 private:
  LocalUpload(LocalBlocks& blocks, PayloadOwner owner);

  absl::Status ReserveFor(std::uint64_t size_bytes);
  absl::Status BeginFile();
  void ReleaseDownTo(std::uint64_t bytes);

  LocalBlocks& blocks_;
  const PayloadOwner owner_;
  std::uint64_t reserved_bytes_ = 0;
  std::uint64_t input_file_bytes_ = 0;  // of what was kept beside the payload
  Bytes small_;
  std::optional<PayloadWriter> writer_;  // since there is more than fits the index
  std::future<absl::Status> entry_;      // of its file
  bool sealed_ = false;                  // the file is whole, and durable as the policy says
  bool ended_ = false;                   // nothing is left that could be resumed
  bool in_doubt_ = false;                // whether it was published
};

}  // namespace dcac::store

#endif  // DCAC_SERVER_STORE_LOCAL_UPLOAD_H_
