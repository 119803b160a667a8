// Collects what operators are told of a running server.
#ifndef DCAC_SERVER_STATUS_READER_H_
#define DCAC_SERVER_STATUS_READER_H_

#include <atomic>
#include <chrono>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "server/access.h"
#include "server/admission.h"
#include "server/metrics.h"
#include "server/store/block_store.h"
#include "server/telemetry/log.h"
#include "server/telemetry/status_report.h"
#include "server/worker_pool.h"

namespace dcac::server {

// Version, revision and SIMD target of this program.
BuildInfo ThisBuild();

// Thread-safe.  What it reads must outlive it.
class StatusReader {
 public:
  struct Sources {
    const Metrics& metrics;
    const Access& access;
    const Admission& admission;
    const WorkerPool& workers;
    const store::BlockStore* store;  // null: there is none
    const std::atomic<bool>& draining;
    const Log* log;  // null: there is none
    int threads;
    const std::vector<std::string>& addresses;  // does not change once the server has started
  };

  using ShownSettings = std::vector<std::pair<std::string, std::string>>;

  explicit StatusReader(const Sources& sources) : sources_(sources) {}

  void SetSettings(ShownSettings settings);

  LiveState ReadLive() const;
  StatusReport Read() const;

 private:
  const Sources sources_;
  const std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  const std::chrono::system_clock::time_point start_time_ = std::chrono::system_clock::now();
  mutable std::mutex mutex_;
  ShownSettings settings_;  // guarded by the mutex
};

}  // namespace dcac::server

#endif  // DCAC_SERVER_STATUS_READER_H_
