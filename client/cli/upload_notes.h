// Which uploads of a run have begun and not ended, so that a later run can go on with them.
//
// The notes are a file with one JSON object: for each key the upload's id and the digest of the archive that it is of.
// What cannot be noted, or is damaged, costs no more than that an upload begins again.
#ifndef DCAC_CLIENT_CLI_UPLOAD_NOTES_H_
#define DCAC_CLIENT_CLI_UPLOAD_NOTES_H_

#include <map>
#include <mutex>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "dcac/frame_info.h"

namespace dcac::cli {

// Any thread may use it.
class UploadNotes {
 public:
  // Reads what is in the file `path`, if anything.
  explicit UploadNotes(std::string path);

  // The id of the upload of this archive under this key; empty: there is none.
  std::string Find(const std::string& key, const Digest& archive) const;

  void Add(const std::string& key, const Digest& archive, std::string_view upload_id);
  void Remove(const std::string& key);

 private:
  struct Upload {
    std::string id;
    std::string archive;  // its digest, in hexadecimal digits
  };

  // Removes the file where nothing is to be noted.
  void Save() const;
  absl::Status Write(std::string_view text) const;

  const std::string path_;
  mutable std::mutex mutex_;  // guards what follows, and the file
  std::map<std::string, Upload> uploads_;
};

}  // namespace dcac::cli

#endif  // DCAC_CLIENT_CLI_UPLOAD_NOTES_H_
