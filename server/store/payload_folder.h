// The files of a local store's payloads: where they are, when they become durable, when they are removed.
#ifndef DCAC_SERVER_STORE_PAYLOAD_FOLDER_H_
#define DCAC_SERVER_STORE_PAYLOAD_FOLDER_H_

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/store/file_system.h"
#include "server/store/payload_file.h"

namespace dcac::store {

// Thread-safe.
class PayloadFolder {
 public:
  PayloadFolder(std::string folder, FileSystem& files) : folder_(std::move(folder)), files_(files) {}

  // Makes the folders that files lie in.
  absl::Status Prepare();

  absl::StatusOr<PayloadWriter> Create(const PayloadOwner& owner);

  // Errors: NotFound; DataLoss (the file is that of another id, or damaged).
  absl::StatusOr<PayloadReader> Open(const std::string& id, bool writable) const;

  // Whether the folder of a file can be read: if not, an error of the file is one of the disk.  Errors: Unavailable.
  absl::Status CheckFolder(const std::string& id) const;

  // Makes the content of a file durable, or its entry, with those of all files in its folder.  A file that is no longer
  // there is no error.  `write_anew`: after an error, when the system may take for written what is not.
  absl::Status Sync(const std::string& id, bool write_anew);
  absl::Status SyncEntry(const std::string& id);
  std::string FolderOf(const std::string& id) const;

  // A file that is no longer there is no error.
  absl::Status Remove(const std::string& id);

  // What an upload that broke off keeps beside its payload.  One that is there is replaced.
  absl::StatusOr<std::unique_ptr<File>> CreateInput(const std::string& id);
  // Errors: NotFound.
  absl::StatusOr<std::unique_ptr<File>> OpenInput(const std::string& id) const;
  // Bytes of the file; 0 if it is not there.
  absl::StatusOr<std::uint64_t> InputFileBytes(const std::string& id) const;
  // A file that is not there is no error.
  absl::Status RemoveInput(const std::string& id);

  // All files of an upload: that one cannot be removed does not keep the others.
  absl::Status RemoveUpload(const std::string& id);

  // Calls `visit` for each payload's file, with when it was written to last, and `visit_input` for each file of kept
  // input.  Files with other names are not ours.
  using Visit = std::function<void(const std::string& id, std::chrono::sys_time<std::chrono::milliseconds> modified)>;
  using VisitInput = std::function<void(const std::string& id)>;
  absl::Status ForEach(const Visit& visit, const VisitInput& visit_input) const;

 private:
  std::string PathOf(const std::string& id) const;
  std::string InputPathOf(const std::string& id) const;

  const std::string folder_;
  FileSystem& files_;
};

}  // namespace dcac::store

#endif  // DCAC_SERVER_STORE_PAYLOAD_FOLDER_H_
