#include "client/internal/async_executor.h"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"

namespace dcac::client::internal {

// Threads keep it alive, for one of them may end the executor.
struct AsyncExecutor::State {
  State(int most_threads, std::size_t most_waiting) : max_threads(most_threads), max_waiting(most_waiting) {}

  void Work() {
    std::unique_lock lock(mutex);
    while (true) {
      ++idle;
      changed.wait(lock, [this] { return stopping || !waiting.empty(); });
      --idle;
      if (stopping) return;
      const Task task = std::move(waiting.front());
      waiting.pop_front();
      lock.unlock();
      task(true);
      lock.lock();
    }
  }

  const int max_threads;
  const std::size_t max_waiting;
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<Task> waiting;
  std::vector<std::thread> threads;
  std::size_t idle = 0;  // threads that wait for a task
  bool stopping = false;
};

AsyncExecutor::AsyncExecutor(int max_threads, std::size_t max_waiting)
    : state_(std::make_shared<State>(max_threads, max_waiting)) {}

AsyncExecutor::~AsyncExecutor() {
  std::deque<Task> given_up;
  std::vector<std::thread> threads;
  {
    const std::lock_guard lock(state_->mutex);
    state_->stopping = true;
    given_up.swap(state_->waiting);
    threads.swap(state_->threads);
  }
  state_->changed.notify_all();
  for (const Task& task : given_up) task(false);
  for (std::thread& thread : threads) {
    if (thread.get_id() == std::this_thread::get_id()) {
      thread.detach();
    } else {
      thread.join();
    }
  }
}

absl::Status AsyncExecutor::Submit(Task task) {
  const std::lock_guard lock(state_->mutex);
  if (state_->waiting.size() >= state_->max_waiting) {
    return absl::ResourceExhaustedError(
        absl::StrCat(state_->waiting.size(), " asynchronous calls wait, which is max_async_calls"));
  }
  state_->waiting.push_back(std::move(task));
  if (state_->idle < state_->waiting.size() && static_cast<int>(state_->threads.size()) < state_->max_threads) {
    state_->threads.emplace_back([state = state_] { state->Work(); });
  }
  state_->changed.notify_one();
  return absl::OkStatus();
}

}  // namespace dcac::client::internal
