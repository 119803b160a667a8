// Removes from an S3 store what is no longer of use; several servers may do so at a time.
#ifndef DCAC_SERVER_STORE_S3_SWEEPER_H_
#define DCAC_SERVER_STORE_S3_SWEEPER_H_

#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "server/store/s3_blocks.h"

namespace dcac::store {

// s3_store.h tells how removals do not hit what is put in the meantime.
class S3Sweeper {
 public:
  explicit S3Sweeper(S3Blocks& blocks) : blocks_(blocks) {}

  // Deletes the notes of what it has not removed, as far as that can be done quickly, so that nobody waits for it.
  ~S3Sweeper();

  // What is due; with nothing due, no request.  One call at a time does it, others return at once.
  absl::Status Maintain(const CallControl& control);

  std::uint64_t expired_blocks() const { return expired_blocks_; }
  std::uint64_t evicted_blocks() const { return evicted_blocks_; }
  std::uint64_t damaged_blocks() const { return damaged_blocks_; }

 private:
  struct Removal {
    std::string encoded;
    std::string version;   // of the newest block under the key
    bool evicted = false;  // not expired: it makes room
    Time used{};           // when it was put or touched last
    std::string note{};    // name of the object
    // Before which nobody saw the note, and after which everybody does.
    std::chrono::steady_clock::time_point begun{}, noted{};
    bool tried = false;  // and may have been done, or be done yet by a request whose answer did not come
    bool done = false;
  };

  // The blocks that were used the longest time ago.
  using Oldest = std::multimap<Time, BlockInfo>;

  // Goes through all blocks: counts them, notes those that have expired, removes parts that no block refers to.
  absl::Status Sweep(const CallControl& control);
  // As many as may be noted at a time, but for those that are.
  absl::Status Note(std::vector<Removal> removals, const CallControl& control);
  bool NeedsRoom();
  absl::Status Evict(const Oldest& oldest, std::uint64_t charge, const CallControl& control);
  bool IsStillDue(const Removal& removal, const S3Block& block) const;
  // Those that are due; called so often that all come within removal_window.
  absl::Status FinishRemovals(const CallControl& control);
  absl::Status Finish(Removal& removal, const CallControl& control);
  absl::Status Remove(const Removal& removal, const CallControl& control);
  // Objects below `prefix` whose names have an id made before `before`, but for those in `used`.  How many bytes are
  // left under each other id that is not used.
  absl::StatusOr<std::map<std::string, std::uint64_t>> RemoveOld(const std::string& prefix, Time before,
                                                                 const std::set<std::string>& used,
                                                                 const CallControl& control);
  // Removes parts and uploads that are over, and counts those of uploads that may go on.
  absl::Status SweepUploads(bool all_known, const std::set<std::string>& used, const CallControl& control);

  S3Blocks& blocks_;
  std::mutex mutex_;
  std::vector<Removal> removals_;
  bool more_is_due_ = false;  // than was noted
  std::chrono::steady_clock::time_point swept_{};
  std::uint64_t missing_bytes_ = 0;  // that were to be put and had no room
  std::atomic<std::uint64_t> expired_blocks_{0};
  std::atomic<std::uint64_t> evicted_blocks_{0};
  std::atomic<std::uint64_t> damaged_blocks_{0};
};

}  // namespace dcac::store

#endif  // DCAC_SERVER_STORE_S3_SWEEPER_H_
