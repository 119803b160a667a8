#include "server/store/local_upload.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "server/store/checks.h"
#include "server/store/input_file.h"
#include "server/store/key.h"

namespace dcac::store {
LocalUpload::LocalUpload(LocalBlocks& blocks, PayloadOwner owner) : blocks_(blocks), owner_(std::move(owner)) {}

absl::StatusOr<std::unique_ptr<Upload>> LocalUpload::Begin(LocalBlocks& blocks, const UploadStart& start) {
  DCAC_RETURN_IF_ERROR(CheckStart(start));
  std::unique_ptr<LocalUpload> upload(new LocalUpload(blocks, {RandomId(), start.key, start.state}));
  blocks.uploads().Begin(upload->id(), OwnerOf(start.key));
  DCAC_RETURN_IF_ERROR(upload->ReserveFor(ChargeOf(start.expected_bytes)));
  return upload;
}

absl::StatusOr<std::unique_ptr<Upload>> LocalUpload::Resume(LocalBlocks& blocks, const std::string& id,
                                                            const std::string& owner) {
  DCAC_ASSIGN_OR_RETURN(const IdleUpload idle, blocks.uploads().Resume(id, owner));
  absl::StatusOr<PayloadReader> reader = blocks.payloads().Open(id, /*writable=*/true);
  const PayloadOwner payload = reader.ok() ? reader->owner() : PayloadOwner{id, idle.owner, {}};
  absl::StatusOr<PayloadWriter> writer =
      reader.ok() ? PayloadWriter::Resume(*std::move(reader)) : absl::StatusOr<PayloadWriter>(reader.status());
  if (absl::IsNotFound(writer.status()) || absl::IsDataLoss(writer.status())) {
    blocks.uploads().End(id);
    blocks.account().Release(idle.owner, idle.reserved_bytes);
    return absl::NotFoundError("no such upload");
  }
  if (!writer.ok()) {
    blocks.uploads().Keep(idle);
    return writer.status();
  }
  std::unique_ptr<LocalUpload> upload(new LocalUpload(blocks, payload));
  upload->reserved_bytes_ = idle.reserved_bytes;
  upload->input_file_bytes_ = blocks.payloads().InputFileBytes(id).value_or(0);
  upload->writer_ = *std::move(writer);
  upload->entry_ = blocks.StartEntry(id);
  return upload;
}

LocalUpload::~LocalUpload() {
  const bool in_file = !ended_ && writer_;
  const bool resumable = in_file && !owner_.state.empty();
  // What cannot be written is sent again; what cannot be removed now is at the next start.
  if (resumable && !sealed_) static_cast<void>(writer_->Finish());
  if (in_file && !resumable && !in_doubt_) static_cast<void>(blocks_.payloads().Remove(owner_.id));
  const bool stays = in_doubt_ || resumable;
  ReleaseDownTo(stays ? kept_bytes() + input_file_bytes_ : 0);
  if (!stays) {
    blocks_.uploads().End(owner_.id);
    return;
  }
  IdleUpload idle{.id = owner_.id,
                  .owner = std::string(OwnerOf(owner_.key)),
                  .reserved_bytes = reserved_bytes_,
                  .touched = blocks_.now(),
                  .resumable = resumable};
  in_doubt_ ? blocks_.uploads().Doubt(std::move(idle)) : blocks_.uploads().Keep(std::move(idle));
}

void LocalUpload::ReleaseDownTo(std::uint64_t bytes) {
  if (reserved_bytes_ <= bytes) return;
  blocks_.account().Release(OwnerOf(owner_.key), reserved_bytes_ - bytes);
  reserved_bytes_ = bytes;
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
  // Not a byte ahead of what has come: it might be what another block needs.
  DCAC_RETURN_IF_ERROR(ReserveFor(size + input_file_bytes_));
  // Others write to the disk, too, after it was reserved.
  DCAC_RETURN_IF_ERROR(blocks_.CheckRoom(bytes.size()));
  if (!writer_ && size <= kMaxInlineBytes) {
    AppendBytes(bytes, small_);
    return absl::OkStatus();
  }
  if (!writer_) DCAC_RETURN_IF_ERROR(BeginFile());
  return writer_->Append(bytes);
}

absl::Status LocalUpload::BeginFile() {
  DCAC_ASSIGN_OR_RETURN(writer_, blocks_.payloads().Create(owner_));
  entry_ = blocks_.StartEntry(owner_.id);
  DCAC_RETURN_IF_ERROR(writer_->Append(small_));
  small_ = {};
  return absl::OkStatus();
}

absl::Status LocalUpload::KeepInput(std::uint64_t offset, std::span<const std::span<const std::byte>> parts) {
  if (ended_ || in_doubt_ || owner_.state.empty() || (parts.empty() && size_bytes() == 0)) return absl::OkStatus();
  if (!writer_) DCAC_RETURN_IF_ERROR(BeginFile());
  if (parts.empty()) return absl::OkStatus();
  const std::uint64_t file_bytes = InputFileBytes(parts);
  DCAC_RETURN_IF_ERROR(ReserveFor(size_bytes() + file_bytes));
  input_file_bytes_ = 0;
  absl::Status written = [&]() -> absl::Status {
    DCAC_ASSIGN_OR_RETURN(const std::unique_ptr<File> file, blocks_.payloads().CreateInput(owner_.id));
    return WriteInput(*file, owner_.id, offset, parts);
  }();
  if (written.ok()) {
    input_file_bytes_ = file_bytes;
  } else {
    written.Update(blocks_.payloads().RemoveInput(owner_.id));
  }
  return written;
}

absl::StatusOr<KeptInput> LocalUpload::ReadInput(const CallControl& control) {
  DCAC_RETURN_IF_ERROR(CheckControl(control));
  if (input_file_bytes_ == 0) return KeptInput();
  DCAC_ASSIGN_OR_RETURN(const std::unique_ptr<File> file, blocks_.payloads().OpenInput(owner_.id));
  absl::StatusOr<KeptInput> input = store::ReadInput(*file, owner_.id);
  return absl::IsDataLoss(input.status()) ? KeptInput() : input;
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

absl::Status LocalUpload::Seal(const CallControl& control) {
  DCAC_RETURN_IF_ERROR(CheckControl(control));
  if (!writer_ || sealed_) return absl::OkStatus();
  DCAC_RETURN_IF_ERROR(writer_->Finish());
  // The system may take for written what it could not write: that is not to be resumed.
  if (const absl::Status durable = blocks_.MakeDurable(*writer_, owner_.id, std::move(entry_)); !durable.ok()) {
    static_cast<void>(Abort());
    return durable;
  }
  sealed_ = true;
  return absl::OkStatus();
}

absl::StatusOr<BlockInfo> LocalUpload::Commit(const PutOptions& options, const CallControl& control) {
  DCAC_RETURN_IF_ERROR(CheckOptions(options));
  DCAC_RETURN_IF_ERROR(Seal(control));
  NewBlock block{.key = owner_.key,
                 .id = owner_.id,
                 .size_bytes = size_bytes(),
                 .payload = {},
                 .options = &options,
                 .reserved_bytes = reserved_bytes_};
  if (!writer_) block.payload = small_;
  bool in_doubt = false;
  absl::StatusOr<BlockInfo> info = blocks_.Publish({&block, 1}, &in_doubt).front();
  in_doubt_ = in_doubt && writer_;
  const bool refused =
      absl::IsAlreadyExists(info.status()) || absl::IsAborted(info.status()) || absl::IsNotFound(info.status());
  if (refused) DCAC_RETURN_IF_ERROR(Abort());
  if (info.ok()) {
    reserved_bytes_ = 0;
    ended_ = true;
    // What cannot be removed now is at the next start.
    if (input_file_bytes_ > 0) static_cast<void>(blocks_.payloads().RemoveInput(owner_.id));
  }
  return info;
}

absl::Status LocalUpload::Abort() {
  ended_ = true;
  if (!writer_) return absl::OkStatus();
  return input_file_bytes_ > 0 ? blocks_.payloads().RemoveUpload(owner_.id) : blocks_.payloads().Remove(owner_.id);
}

}  // namespace dcac::store
