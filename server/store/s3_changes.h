// Which blocks of an S3 store have changes beside them, as it was some seconds ago: so that opening a block takes one
// request, not two.
#ifndef DCAC_SERVER_STORE_S3_CHANGES_H_
#define DCAC_SERVER_STORE_S3_CHANGES_H_

#include <atomic>
#include <chrono>
#include <map>
#include <mutex>
#include <set>
#include <string>

#include "absl/status/status.h"
#include "server/store/block_store.h"
#include "server/store/s3_client.h"

namespace dcac::store {

// Thread-safe.  Objects are told by their names.
class S3Changes {
 public:
  // For so long after Refresh what it found is believed.
  static constexpr std::chrono::seconds kValidFor{15};

  // Those whose names begin with `prefix`.
  S3Changes(S3Client& client, std::string prefix) : client_(client), prefix_(std::move(prefix)) {}

  // False: there was none kValidFor ago, and this process has put none since.
  bool MayExist(const std::string& name);

  // It was put by this process.
  void Add(const std::string& name);

  // How many are known.
  std::size_t size();

  // One request, if MayExist was called since the last one; forgets what was found long ago.
  absl::Status Refresh(const CallControl& control);

 private:
  using Clock = std::chrono::steady_clock;

  S3Client& client_;
  const std::string prefix_;
  std::atomic<bool> asked_{false};
  std::mutex mutex_;
  std::set<std::string> names_;
  std::map<std::string, Clock::time_point> added_;  // since the last Refresh began
  Clock::time_point valid_until_{};
};

}  // namespace dcac::store

#endif  // DCAC_SERVER_STORE_S3_CHANGES_H_
