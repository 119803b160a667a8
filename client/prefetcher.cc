#include "dcac/client_prefetcher.h"

#include <algorithm>
#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/internal/cancel_state.h"

namespace dcac::client {

// Each thread takes the next key, asks how large its tensor is, and waits for room; room is given in the order of the
// keys, so that what is to be taken next never waits for what comes after it.
struct Prefetcher::State {
  State(const Store& from, std::vector<std::string> wanted, const PrefetchOptions& prefetch, const CallOptions& options)
      : store(from),
        keys(std::move(wanted)),
        max_bytes(prefetch.max_bytes),
        call(options),
        on_cancel(options.cancel, [token = stop] { token.Cancel(); }),
        results(keys.size()) {
    call.cancel = stop;
    const std::size_t count = std::min<std::size_t>(keys.size(), static_cast<std::size_t>(prefetch.max_in_flight));
    for (std::size_t i = 0; i < count; ++i) threads.emplace_back([this] { Work(); });
  }

  ~State() {
    {
      const std::lock_guard lock(mutex);
      stopping = true;
    }
    stop.Cancel();
    changed.notify_all();
    for (std::thread& thread : threads) thread.join();
  }

  void Work() {
    while (true) {
      std::size_t index = 0;
      {
        const std::lock_guard lock(mutex);
        if (stopping || next_key == keys.size()) return;
        index = next_key++;
      }
      absl::StatusOr<StoredTensor> result = Fetch(index);
      {
        const std::lock_guard lock(mutex);
        results[index].tensor = std::move(result);
      }
      changed.notify_all();
    }
  }

  absl::StatusOr<StoredTensor> Fetch(std::size_t index) {
    const absl::StatusOr<StoredObject> object = store.Stat(keys[index], call);
    WaitForRoom(index, object.ok() ? object->raw_bytes + object->stored_bytes : 0);
    if (!object.ok()) return object.status();
    absl::StatusOr<StoredTensor> result = store.Get(keys[index], {}, call);
    Resize(index, result.ok() ? result->tensor.data.size() : 0);
    return result;
  }

  void WaitForRoom(std::size_t index, std::uint64_t bytes) {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] {
      const bool fits = held_bytes == 0 || (held_bytes <= max_bytes && bytes <= max_bytes - held_bytes);
      return stopping || (next_room == index && fits);
    });
    ++next_room;
    held_bytes += bytes;
    results[index].held_bytes = bytes;
    lock.unlock();
    changed.notify_all();
  }

  void Resize(std::size_t index, std::uint64_t bytes) {
    {
      const std::lock_guard lock(mutex);
      held_bytes += bytes - results[index].held_bytes;
      results[index].held_bytes = bytes;
    }
    changed.notify_all();
  }

  std::optional<absl::StatusOr<StoredTensor>> Next() {
    if (next_taken == keys.size()) return std::nullopt;
    std::unique_lock lock(mutex);
    Result& result = results[next_taken++];
    changed.wait(lock, [&] { return result.tensor.has_value(); });
    held_bytes -= std::exchange(result.held_bytes, 0);
    std::optional<absl::StatusOr<StoredTensor>> tensor = std::exchange(result.tensor, std::nullopt);
    lock.unlock();
    changed.notify_all();
    return tensor;
  }

  struct Result {
    std::optional<absl::StatusOr<StoredTensor>> tensor;
    std::uint64_t held_bytes = 0;
  };

  const Store store;
  const std::vector<std::string> keys;
  const std::uint64_t max_bytes;
  const CancelToken stop;
  CallOptions call;
  const internal::OnCancel on_cancel;
  std::size_t next_taken = 0;  // of whoever takes them

  std::mutex mutex;  // guards what follows
  std::condition_variable changed;
  std::vector<Result> results;
  std::size_t next_key = 0;
  std::size_t next_room = 0;  // whose turn it is to get room
  std::uint64_t held_bytes = 0;
  bool stopping = false;

  std::vector<std::thread> threads;  // use all of the others
};

Prefetcher::Prefetcher(std::unique_ptr<State> state) : state_(std::move(state)) {}
Prefetcher::Prefetcher(Prefetcher&&) noexcept = default;
Prefetcher& Prefetcher::operator=(Prefetcher&&) noexcept = default;
Prefetcher::~Prefetcher() = default;

absl::StatusOr<Prefetcher> Prefetcher::Start(const Store& store, std::vector<std::string> keys,
                                             const PrefetchOptions& options, const CallOptions& call) {
  if (options.max_in_flight < 1 || options.max_in_flight > PrefetchOptions::kMaxInFlight) {
    return absl::InvalidArgumentError(
        absl::StrCat("max_in_flight ", options.max_in_flight, " is not in 1..", int{PrefetchOptions::kMaxInFlight}));
  }
  return Prefetcher(std::make_unique<State>(store, std::move(keys), options, call));
}

std::optional<absl::StatusOr<StoredTensor>> Prefetcher::Next() {
  return state_->Next();
}

}  // namespace dcac::client
