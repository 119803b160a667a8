// Bounds the threads on which the codec runs.
#ifndef DCAC_CLIENT_CLI_THREAD_SCOPE_H_
#define DCAC_CLIENT_CLI_THREAD_SCOPE_H_

#include <oneapi/tbb/global_control.h>
#include <oneapi/tbb/task_arena.h>

#include <cstddef>
#include <optional>
#include <utility>

namespace dcac::cli {

class ThreadScope {
 public:
  // `threads`: 0 = as many as there are processors.
  explicit ThreadScope(int threads) : arena_(threads == 0 ? tbb::task_arena::automatic : threads) {
    if (threads > 0) limit_.emplace(tbb::global_control::max_allowed_parallelism, static_cast<std::size_t>(threads));
  }

  template <typename Function>
  auto Run(Function&& function) {
    return arena_.execute(std::forward<Function>(function));
  }

 private:
  std::optional<tbb::global_control> limit_;
  tbb::task_arena arena_;
};

}  // namespace dcac::cli

#endif  // DCAC_CLIENT_CLI_THREAD_SCOPE_H_
