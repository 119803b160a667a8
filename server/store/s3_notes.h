// The notes of who is about to remove what is under a key of an S3 store.
#ifndef DCAC_SERVER_STORE_S3_NOTES_H_
#define DCAC_SERVER_STORE_S3_NOTES_H_

#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/store/block_store.h"
#include "server/store/s3_client.h"

namespace dcac::store {

// Thread-safe.  A note that this process has seen for longer than its owner may act on it is dead: a server left it
// that was killed.  That takes no clocks of two machines that agree.  Dead notes are deleted, and owners look for
// theirs before they remove anything, so that one that stood still for long does no harm either.
class S3Notes {
 public:
  using Clock = std::chrono::steady_clock;

  // Objects are named `prefix`, key, '/', id.
  S3Notes(S3Client& client, std::string prefix, std::chrono::milliseconds life)
      : client_(client), prefix_(std::move(prefix)), life_(life) {}

  std::string NameOf(const std::string& encoded, const std::string& id) const { return prefix_ + encoded + "/" + id; }

  // Whether there is a note of a key that is not dead, as it was not earlier than at `since`.
  absl::StatusOr<bool> Has(const std::string& encoded, Clock::time_point since, const CallControl& control);

  // Waits until there is none.
  absl::Status AwaitNone(const std::string& encoded, const CallControl& control);

  absl::Status Refresh(const CallControl& control) { return ReadSince(Clock::now(), control); }

  // Deletes dead notes, of those that are known; without any, no request.
  absl::Status DropDead(const CallControl& control);

 private:
  bool IsDead(Clock::time_point seen_first) const { return Clock::now() - seen_first > life_; }
  // One thread reads for all that wait.
  absl::Status ReadSince(Clock::time_point since, const CallControl& control);
  absl::StatusOr<std::vector<std::string>> ReadNames(const CallControl& control);

  S3Client& client_;
  const std::string prefix_;
  const std::chrono::milliseconds life_;
  std::mutex mutex_;
  std::condition_variable ended_;  // a reading has
  bool reading_ = false;
  std::map<std::string, Clock::time_point> seen_first_;  // by names of objects
  Clock::time_point read_{};                             // when the last reading that succeeded began
};

}  // namespace dcac::store

#endif  // DCAC_SERVER_STORE_S3_NOTES_H_
