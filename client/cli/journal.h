// What a run over a folder has finished, so that a run that is killed can go on where it stopped.
//
// The journal is a file in the output folder with a line for each output, written after that output was committed:
// 16 hexadecimal digits, XXH3-64 of the rest of the line; a space; a JSON object.  The first line holds the settings of
// the run.  A crash can leave a torn last line, which counts as absent: its output is then found without record, and is
// compared with its source instead.
#ifndef DCAC_CLIENT_CLI_JOURNAL_H_
#define DCAC_CLIENT_CLI_JOURNAL_H_

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/cli/directory_walk.h"

namespace dcac::cli {

struct JournalRecord {
  std::string path;     // of the source, relative to its root
  FileIdentity source;  // from before it was read
  FileIdentity output;  // once it was whole

  friend bool operator==(const JournalRecord&, const JournalRecord&) = default;
};

// Options that decide what the outputs are, by their names; in the order in which they are to be compared.
using JournalSettings = std::vector<std::pair<std::string, std::string>>;

class Journal {
 public:
  struct OpenOptions {
    bool resume = false;           // keep what the journal there holds; otherwise it is begun anew
    bool ignore_settings = false;  // also when its run had other settings
  };

  // Opens the journal of the folder and keeps other runs out of the folder while it lives.
  // Errors: Aborted (another run is at work there), FailedPrecondition (it is a run with other settings), DataLoss (it
  // is damaged), others as the system says.
  static absl::StatusOr<std::unique_ptr<Journal>> Open(const std::string& folder, const JournalSettings& settings,
                                                       const OpenOptions& options);

  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;
  ~Journal();

  // What earlier runs say of the source `path`; null: nothing.
  const JournalRecord* Find(const std::string& path) const;

  // Adds a record.  Any thread may call it.  It is durable at the latest after Sync.
  absl::Status Append(const JournalRecord& record);

  absl::Status Sync();

  // Removes the journal: what it proves is of no use any more.
  absl::Status Remove();

 private:
  Journal(std::string path, int fd) : path_(std::move(path)), fd_(fd) {}

  absl::Status Load(const JournalSettings& settings, const OpenOptions& options);
  absl::Status Begin(const JournalSettings& settings);
  absl::Status AppendLine(const std::string& json);

  const std::string path_;
  const int fd_;
  std::map<std::string, JournalRecord> earlier_;

  std::mutex mutex_;       // guards what follows
  std::uint64_t end_ = 0;  // of the last whole line; a torn one behind it is overwritten
  int unsynced_records_ = 0;
  std::chrono::steady_clock::time_point last_sync_ = std::chrono::steady_clock::now();
};

}  // namespace dcac::cli

#endif  // DCAC_CLIENT_CLI_JOURNAL_H_
