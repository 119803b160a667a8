// Keeps a store in order while it serves: what is due is done, and all blocks are read again in time.
#ifndef DCAC_SERVER_STORE_STORE_KEEPER_H_
#define DCAC_SERVER_STORE_STORE_KEEPER_H_

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

#include "absl/status/status.h"
#include "server/store/block_store.h"

namespace dcac::store {

struct StoreKeeperOptions {
  std::chrono::milliseconds period{5000};
  std::uint64_t scrub_bytes_per_second = 0;  // 0: blocks are not read
  // Told of what it finds, on its thread.
  std::function<void(const std::string& key)> on_damage = [](const std::string&) {};
  std::function<void(const absl::Status& error)> on_error = [](const absl::Status&) {};
};

// On a thread of its own, from its construction to its destruction.  The store must outlive it.
class StoreKeeper {
 public:
  StoreKeeper(BlockStore& store, StoreKeeperOptions options);
  ~StoreKeeper();

 private:
  void Run();
  absl::Status Keep();
  absl::Status Scrub();

  BlockStore& store_;
  const StoreKeeperOptions options_;
  std::string scrubbed_to_;  // the last key that was read
  std::mutex mutex_;
  std::condition_variable wake_;
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace dcac::store

#endif  // DCAC_SERVER_STORE_STORE_KEEPER_H_
