#include "server/worker_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <future>
#include <new>
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

TEST(WorkerPoolTest, WhatIsStartedIsDoneByAWorker) {
  WorkerPool pool(1);
  std::thread::id worker, executor;
  std::promise<void> known;
  pool.Enqueue([&] {
    worker = std::this_thread::get_id();
    known.set_value();
  });
  known.get_future().wait();
  pool.Start([&] { executor = std::this_thread::get_id(); }).get();
  EXPECT_NE(executor, std::this_thread::get_id());
  EXPECT_EQ(executor, worker);
}

TEST(WorkerPoolTest, WhatIsThrownReachesWhoeverWaits) {
  WorkerPool pool(1);
  EXPECT_THROW(pool.Start([] { throw std::bad_alloc(); }).get(), std::bad_alloc);
}

}  // namespace
}  // namespace dcac::server
