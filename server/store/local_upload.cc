#include "server/store/local_upload.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "server/store/checks.h"
#include "server/store/key.h"

namespace dcac::store {
namespace {

// Of uploads that did not say how large they become.
constexpr std::uint64_t kReserveStepBytes = std::uint64_t{4} << 20;

}  // namespace

absl::StatusOr<std::unique_ptr<Upload>> LocalUpload::Begin(LocalBlocks& blocks, const UploadStart& start) {
  DCAC_RETURN_IF_ERROR(CheckStart(start));
  std::unique_ptr<LocalUpload> upload(new LocalUpload(blocks, {RandomId(), start.key, start.state}));
  DCAC_RETURN_IF_ERROR(blocks.BeginUpload(upload->id()));
  DCAC_RETURN_IF_ERROR(upload->ReserveFor(start.expected_bytes));
  return upload;
}

absl::StatusOr<std::unique_ptr<Upload>> LocalUpload::Resume(LocalBlocks& blocks, const std::string& id) {
  const absl::Status none = absl::NotFoundError("no such upload");
  if (!IsId(id)) return none;
  absl::StatusOr<PayloadReader> reader = blocks.payloads().Open(id, /*writable=*/true);
  if (absl::IsNotFound(reader.status()) || absl::IsDataLoss(reader.status())) return none;
  DCAC_RETURN_IF_ERROR(reader.status());
  if (reader->owner().state.empty()) return none;
  DCAC_RETURN_IF_ERROR(blocks.BeginUpload(id));
  std::unique_ptr<LocalUpload> upload(new LocalUpload(blocks, reader->owner()));
  // Only now can nobody publish it meanwhile.
  const absl::StatusOr<Record> record = blocks.index().Find(upload->key());
  if (record.ok() && record->info.version == id) {
    upload->ended_ = true;
    return none;
  }
  DCAC_ASSIGN_OR_RETURN(upload->writer_, PayloadWriter::Resume(*std::move(reader)));
  DCAC_RETURN_IF_ERROR(upload->ReserveFor(upload->size_bytes()));
  return upload;
}

LocalUpload::~LocalUpload() {
  blocks_.account().Release(OwnerOf(owner_.key), reserved_bytes_);
  // What cannot be removed now is at the next start, or when it is old; what cannot be written is sent again.
  if (!ended_ && writer_) {
    static_cast<void>(owner_.state.empty() ? blocks_.payloads().Remove(owner_.id) : writer_->WriteWholePieces());
  }
  blocks_.EndUpload(owner_.id);
}

absl::Status LocalUpload::ReserveFor(std::uint64_t size_bytes) {
  if (size_bytes <= reserved_bytes_) return absl::OkStatus();
  const std::uint64_t more = size_bytes - reserved_bytes_;
  DCAC_RETURN_IF_ERROR(blocks_.Reserve(OwnerOf(owner_.key), more));
  reserved_bytes_ += more;
  return absl::OkStatus();
}

absl::Status LocalUpload::Append(std::span<const std::byte> bytes, const CallControl& control) {
  DCAC_RETURN_IF_ERROR(CheckControl(control));
  const std::uint64_t size = size_bytes() + bytes.size();
  if (size > reserved_bytes_) {
    const bool known_small = size <= kMaxInlineBytes;
    DCAC_RETURN_IF_ERROR(
        ReserveFor(known_small ? size : (size + kReserveStepBytes - 1) / kReserveStepBytes * kReserveStepBytes));
  }
  if (!writer_ && size <= kMaxInlineBytes) {
    AppendBytes(bytes, small_);
    return absl::OkStatus();
  }
  if (!writer_) {
    DCAC_ASSIGN_OR_RETURN(writer_, blocks_.payloads().Create(owner_));
    DCAC_RETURN_IF_ERROR(writer_->Append(small_));
    small_ = {};
  }
  return writer_->Append(bytes);
}

absl::Status LocalUpload::Read(std::uint64_t offset, std::span<std::byte> out, const CallControl& control) {
  DCAC_RETURN_IF_ERROR(CheckControl(control));
  if (writer_) return writer_->Read(offset, out);
  if (offset > small_.size() || out.size() > small_.size() - offset) {
    return absl::OutOfRangeError(
        absl::StrCat("upload of ", small_.size(), " bytes ends before byte ", offset + out.size()));
  }
  std::copy_n(small_.begin() + static_cast<std::ptrdiff_t>(offset), out.size(), out.begin());
  return absl::OkStatus();
}

absl::StatusOr<BlockInfo> LocalUpload::Commit(const PutOptions& options, const CallControl& control) {
  DCAC_RETURN_IF_ERROR(CheckControl(control));
  DCAC_RETURN_IF_ERROR(CheckOptions(options));
  NewBlock block{.key = owner_.key, .id = owner_.id, .size_bytes = size_bytes(), .payload = {}, .options = &options};
  if (writer_) {
    DCAC_RETURN_IF_ERROR(writer_->Finish());
    DCAC_RETURN_IF_ERROR(blocks_.MakeDurable(*writer_, owner_.id));
  } else {
    block.payload = small_;
  }
  absl::StatusOr<BlockInfo> info = blocks_.Publish({&block, 1}).front();
  const bool refused =
      absl::IsAlreadyExists(info.status()) || absl::IsAborted(info.status()) || absl::IsNotFound(info.status());
  if (refused) DCAC_RETURN_IF_ERROR(Abort());
  // What could not be written to the index may be in its log all the same: then the block is there at the next start,
  // and so must its payload be.  Otherwise the payload is removed at that start.
  if (info.ok() || owner_.state.empty()) ended_ = true;
  return info;
}

absl::Status LocalUpload::Abort() {
  ended_ = true;
  return writer_ ? blocks_.payloads().Remove(owner_.id) : absl::OkStatus();
}

}  // namespace dcac::store
