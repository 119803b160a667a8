#include "server/store/store_keeper.h"

#include <algorithm>
#include <exception>
#include <utility>

#include "core/base/status_macros.h"

namespace dcac::store {
namespace {

// So that a slow disk is not read in one go.
constexpr std::uint64_t kMaxScrubBytes = std::uint64_t{64} << 20;

}  // namespace

StoreKeeper::StoreKeeper(BlockStore& store, StoreKeeperOptions options)
    : store_(store), options_(std::move(options)), thread_([this] { Run(); }) {}

StoreKeeper::~StoreKeeper() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

void StoreKeeper::Run() {
  std::unique_lock lock(mutex_);
  while (!wake_.wait_for(lock, options_.period, [this] { return stopping_.load(); })) {
    lock.unlock();
    try {
      const absl::Status status = Keep();
      if (!status.ok() && !stopping_) options_.on_error(status);
    } catch (...) {
      // There is no memory for the report either: the next period may have some.
    }
    lock.lock();
  }
}

// What a store throws, for want of memory or of threads, is an error like others: the server goes on.
absl::Status StoreKeeper::Keep() {
  try {
    DCAC_RETURN_IF_ERROR(store_.Maintain({.cancelled = &stopping_}));
    return options_.scrub_bytes_per_second > 0 ? Scrub() : absl::OkStatus();
  } catch (const std::exception& error) {
    return absl::InternalError(error.what());
  }
}

// As many bytes as the rate allows for a period.
absl::Status StoreKeeper::Scrub() {
  std::uint64_t left = options_.scrub_bytes_per_second * static_cast<std::uint64_t>(options_.period.count()) / 1000;
  while (left > 0 && !stopping_) {
    DCAC_ASSIGN_OR_RETURN(
        const ScrubPage page,
        store_.Scrub({.prefix = {}, .start_after = scrubbed_to_, .max_bytes = std::min(left, kMaxScrubBytes)},
                     {.cancelled = &stopping_}));
    for (const std::string& key : page.damaged) options_.on_damage(key);
    scrubbed_to_ = page.last_key;
    left -= std::min(left, std::max<std::uint64_t>(page.bytes, 1));
    if (scrubbed_to_.empty()) break;  // from the first again, in the next period
  }
  return absl::OkStatus();
}

}  // namespace dcac::store
