#include "client/internal/async_executor.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <memory>
#include <thread>
#include <vector>

namespace dcac::client::internal {
namespace {

TEST(AsyncExecutorTest, EveryTaskRunsOnce) {
  std::vector<std::atomic<int>> runs(1000);
  std::atomic<int> left = 1000;
  std::promise<void> all;
  AsyncExecutor executor(3, 1000);
  for (std::atomic<int>& run : runs) {
    ASSERT_TRUE(executor
                    .Submit([&](bool goes) {
                      EXPECT_TRUE(goes);
                      ++run;
                      if (--left == 0) all.set_value();
                    })
                    .ok());
  }
  all.get_future().wait();
  for (const std::atomic<int>& run : runs) EXPECT_EQ(run, 1);
}

TEST(AsyncExecutorTest, AsManyTasksRunAtATimeAsThereMayBeThreads) {
  std::promise<void> released;
  const std::shared_future<void> release = released.get_future().share();
  std::atomic<int> running = 0;
  AsyncExecutor executor(2, 3);
  const auto block = [&](bool goes) {
    if (!goes) return;
    ++running;
    release.wait();
  };
  for (int i = 0; i < 2; ++i) ASSERT_TRUE(executor.Submit(block).ok());
  while (running < 2) std::this_thread::yield();
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(executor.Submit(block).ok());
  EXPECT_EQ(executor.Submit(block).code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(running, 2);
  released.set_value();
}

TEST(AsyncExecutorTest, EndGivesUpWhatWaitsAndLetsRunWhatRuns) {
  std::promise<void> released, begun;
  bool finished = false;
  std::atomic<int> given_up = 0;
  auto executor = std::make_unique<AsyncExecutor>(1, 10);
  ASSERT_TRUE(executor
                  ->Submit([&](bool) {
                    begun.set_value();
                    released.get_future().wait();
                    finished = true;
                  })
                  .ok());
  begun.get_future().wait();
  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE(executor
                    ->Submit([&](bool goes) {
                      EXPECT_FALSE(goes);
                      if (++given_up == 5) released.set_value();
                    })
                    .ok());
  }
  executor.reset();
  EXPECT_TRUE(finished);
  EXPECT_EQ(given_up, 5);
}

TEST(AsyncExecutorTest, TaskMayEndTheExecutor) {
  std::promise<void> ended;
  auto executor = std::make_unique<AsyncExecutor>(2, 10);
  ASSERT_TRUE(executor
                  ->Submit([&](bool) {
                    executor.reset();
                    ended.set_value();
                  })
                  .ok());
  ended.get_future().wait();
}

}  // namespace
}  // namespace dcac::client::internal
