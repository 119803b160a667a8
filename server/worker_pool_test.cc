#include "server/worker_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <future>
#include <thread>

namespace dcac::server {
namespace {

TEST(WorkerPoolTest, TasksThatWaitAndThreadsThatWorkAreCounted) {
  WorkerPool pool(1);
  EXPECT_EQ(pool.queued_tasks(), 0u);
  std::promise<void> started, released;
  std::atomic<int> done{0};
  pool.Enqueue([&] {
    started.set_value();
    released.get_future().wait();
    ++done;
  });
  started.get_future().wait();
  pool.Enqueue([&] { ++done; });
  pool.Enqueue([&] { ++done; });
  EXPECT_EQ(pool.queued_tasks(), 2u);
  EXPECT_EQ(pool.busy_threads(), 1u);
  released.set_value();
  while (done != 3) std::this_thread::yield();
  EXPECT_EQ(pool.queued_tasks(), 0u);
}

}  // namespace
}  // namespace dcac::server
