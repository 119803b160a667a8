#include "client/cli/file_pipeline.h"

#include <oneapi/tbb/global_control.h>
#include <oneapi/tbb/info.h>
#include <oneapi/tbb/task_arena.h>

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

namespace dcac::cli {
namespace {

constexpr int kMaxWorkers = 48;  // fewer than the temporaries that a signal handler knows

class Pipeline {
 public:
  Pipeline(const PipelineLimits& limits, const PipelineWork& work)
      : work_(work),
        memory_bytes_(limits.memory_bytes),
        threads_(limits.threads == 0 ? tbb::info::default_concurrency() : limits.threads),
        thread_limit_(tbb::global_control::max_allowed_parallelism, static_cast<std::size_t>(threads_)),
        workers_(static_cast<std::size_t>(
            std::min<std::uint64_t>(work.count, static_cast<std::uint64_t>(std::min(threads_, kMaxWorkers))))),
        all_threads_(threads_),
        is_run_(work.count, false) {}

  void Run() {
    std::vector<std::thread> others;
    for (std::size_t i = 1; i < workers_; ++i) others.emplace_back([this] { Work(); });
    Work();
    for (std::thread& other : others) other.join();
  }

 private:
  void Work() {
    tbb::task_arena own_thread(1);
    std::unique_lock lock(mutex_);
    while (true) {
      // Who is first takes the next item only when there is room for it, so that a large one is not overtaken for ever.
      changed_.wait(lock, [this] { return !is_one_waiting_; });
      if (next_ == work_.count) return;
      const std::size_t index = next_++;
      const std::optional<std::uint64_t> need = work_.memory_bytes(index);
      const bool alone = !need || *need > memory_bytes_ || workers_ == 1;
      is_one_waiting_ = true;
      changed_.wait(lock, [&] { return running_ == 0 || (!alone && used_bytes_ + *need <= memory_bytes_); });
      is_one_waiting_ = false;
      const std::uint64_t taken = alone ? memory_bytes_ : *need;
      ++running_;
      used_bytes_ += taken;
      if (!alone) changed_.notify_all();  // else nobody has room anyway
      lock.unlock();
      (alone ? all_threads_ : own_thread).execute([&] { work_.run(index); });
      lock.lock();
      --running_;
      used_bytes_ -= taken;
      Complete(index);
      changed_.notify_all();
    }
  }

  void Complete(std::size_t index) {
    is_run_[index] = true;
    for (; completed_ < work_.count && is_run_[completed_]; ++completed_) work_.completed(completed_);
  }

  const PipelineWork& work_;
  const std::uint64_t memory_bytes_;
  const int threads_;
  const tbb::global_control thread_limit_;
  const std::size_t workers_;
  tbb::task_arena all_threads_;

  std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  std::size_t next_ = 0;
  bool is_one_waiting_ = false;
  std::size_t running_ = 0;
  std::uint64_t used_bytes_ = 0;
  std::vector<bool> is_run_;
  std::size_t completed_ = 0;
};

}  // namespace

void RunPipeline(const PipelineLimits& limits, const PipelineWork& work) {
  Pipeline(limits, work).Run();
}

}  // namespace dcac::cli
