#include "server/store/payload_folder.h"

#include <algorithm>
#include <iterator>
#include <memory>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "core/base/status_macros.h"
#include "server/store/record.h"

namespace dcac::store {
namespace {

// So that no folder becomes so large that it is slow.
constexpr int kFolders = 256;
constexpr char kInputSuffix[] = ".input";
constexpr std::uint64_t kCopyBytes = std::uint64_t{1} << 20;

}  // namespace

std::string PayloadFolder::FolderOf(const std::string& id) const {
  return absl::StrCat(folder_, "/", id.substr(0, 2));
}

std::string PayloadFolder::PathOf(const std::string& id) const {
  return absl::StrCat(FolderOf(id), "/", id);
}

std::string PayloadFolder::InputPathOf(const std::string& id) const {
  return PathOf(id) + kInputSuffix;
}

absl::Status PayloadFolder::Prepare() {
  for (int i = 0; i < kFolders; ++i) {
    DCAC_RETURN_IF_ERROR(files_.CreateFolder(FolderOf(absl::StrFormat("%02x", i))));
  }
  return files_.SyncFolder(folder_);
}

absl::StatusOr<PayloadWriter> PayloadFolder::Create(const PayloadOwner& owner) {
  DCAC_ASSIGN_OR_RETURN(std::unique_ptr<File> file, files_.Create(PathOf(owner.id)));
  absl::StatusOr<PayloadWriter> writer = PayloadWriter::Create(std::move(file), owner);
  if (!writer.ok()) static_cast<void>(Remove(owner.id));
  return writer;
}

absl::StatusOr<PayloadReader> PayloadFolder::Open(const std::string& id, bool writable) const {
  DCAC_ASSIGN_OR_RETURN(std::unique_ptr<File> file, files_.Open(PathOf(id), writable));
  DCAC_ASSIGN_OR_RETURN(PayloadReader reader, PayloadReader::Open(std::move(file)));
  if (reader.owner().id != id) return absl::DataLossError("file is that of another block");
  return reader;
}

absl::Status PayloadFolder::CheckFolder(const std::string& id) const {
  const absl::Status listed = files_.List(FolderOf(id)).status();
  return absl::IsNotFound(listed) ? absl::UnavailableError(listed.message()) : listed;
}

absl::Status PayloadFolder::Sync(const std::string& id, bool write_anew) {
  const absl::StatusOr<std::unique_ptr<File>> file = files_.Open(PathOf(id), /*writable=*/true);
  if (absl::IsNotFound(file.status())) return absl::OkStatus();
  DCAC_RETURN_IF_ERROR(file.status());
  if (!write_anew) return (*file)->Sync();
  DCAC_ASSIGN_OR_RETURN(const std::uint64_t size, (*file)->Size());
  Bytes buffer(std::min<std::uint64_t>(size, kCopyBytes));
  for (std::uint64_t offset = 0; offset < size; offset += buffer.size()) {
    const auto part = std::span(buffer).first(static_cast<std::size_t>(std::min(size - offset, buffer.size())));
    DCAC_RETURN_IF_ERROR((*file)->ReadAt(offset, part));
    DCAC_RETURN_IF_ERROR((*file)->WriteAt(offset, part));
  }
  return (*file)->Sync();
}

absl::Status PayloadFolder::SyncEntry(const std::string& id) {
  return files_.SyncFolder(FolderOf(id));
}

absl::Status PayloadFolder::Remove(const std::string& id) {
  const absl::Status status = files_.Remove(PathOf(id));
  return absl::IsNotFound(status) ? absl::OkStatus() : status;
}

absl::StatusOr<std::unique_ptr<File>> PayloadFolder::CreateInput(const std::string& id) {
  DCAC_RETURN_IF_ERROR(RemoveInput(id));
  return files_.Create(InputPathOf(id));
}

absl::StatusOr<std::unique_ptr<File>> PayloadFolder::OpenInput(const std::string& id) const {
  return files_.Open(InputPathOf(id), /*writable=*/false);
}

absl::StatusOr<std::uint64_t> PayloadFolder::InputFileBytes(const std::string& id) const {
  const absl::StatusOr<std::unique_ptr<File>> file = OpenInput(id);
  if (absl::IsNotFound(file.status())) return 0;
  DCAC_RETURN_IF_ERROR(file.status());
  return (*file)->Size();
}

absl::Status PayloadFolder::RemoveInput(const std::string& id) {
  const absl::Status status = files_.Remove(InputPathOf(id));
  return absl::IsNotFound(status) ? absl::OkStatus() : status;
}

absl::Status PayloadFolder::RemoveUpload(const std::string& id) {
  absl::Status status = RemoveInput(id);
  status.Update(Remove(id));
  return status;
}

absl::Status PayloadFolder::ForEach(const Visit& visit, const VisitInput& visit_input) const {
  constexpr std::size_t kSuffixBytes = std::size(kInputSuffix) - 1;
  for (int i = 0; i < kFolders; ++i) {
    DCAC_ASSIGN_OR_RETURN(const std::vector<FolderEntry> entries, files_.List(FolderOf(absl::StrFormat("%02x", i))));
    for (const FolderEntry& entry : entries) {
      const std::string& name = entry.name;
      if (IsId(name)) visit(name, entry.modified);
      if (!name.ends_with(kInputSuffix)) continue;
      const std::string id = name.substr(0, name.size() - kSuffixBytes);
      if (IsId(id)) visit_input(id);
    }
  }
  return absl::OkStatus();
}

}  // namespace dcac::store
