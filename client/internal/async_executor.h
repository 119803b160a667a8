// Threads that run asynchronous calls.
#ifndef DCAC_CLIENT_INTERNAL_ASYNC_EXECUTOR_H_
#define DCAC_CLIENT_INTERNAL_ASYNC_EXECUTOR_H_

#include <cstddef>
#include <functional>
#include <memory>

#include "absl/status/status.h"

namespace dcac::client::internal {

class AsyncExecutor {
 public:
  // `run`: false where the task is to be given up.
  using Task = std::function<void(bool run)>;

  // Threads begin with the first tasks that need them.  `max_waiting`: tasks that no thread has taken yet.
  AsyncExecutor(int max_threads, std::size_t max_waiting);
  AsyncExecutor(const AsyncExecutor&) = delete;
  AsyncExecutor& operator=(const AsyncExecutor&) = delete;

  // Gives up what no thread has taken, waits for the others.  May be called by a task, which then goes on.
  ~AsyncExecutor();

  // Each task that is taken is called once.  Errors: ResourceExhausted (too many wait).
  absl::Status Submit(Task task);

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace dcac::client::internal

#endif  // DCAC_CLIENT_INTERNAL_ASYNC_EXECUTOR_H_
