#include "client/cli/file_pipeline.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <oneapi/tbb/task_arena.h>

#include <atomic>
#include <cstddef>
#include <mutex>
#include <numeric>
#include <vector>

namespace dcac::cli {
namespace {

// Runs items that take `memory` (0: alone) and keeps what happened.
struct Outcome {
  std::vector<std::size_t> completed;
  std::uint64_t most_memory = 0;
  bool was_alone_disturbed = false;
  bool was_width_wrong = false;
};

Outcome RunItems(const PipelineLimits& limits, const std::vector<std::uint64_t>& memory) {
  Outcome outcome;
  std::mutex mutex;
  std::uint64_t used = 0;
  int running = 0;
  const auto is_alone = [&](std::size_t i) { return memory[i] == 0 || memory[i] > limits.memory_bytes; };
  const PipelineWork work{
      .count = memory.size(),
      .memory_bytes = [&](std::size_t i) { return memory[i] == 0 ? std::nullopt : std::optional(memory[i]); },
      .run =
          [&](std::size_t i) {
            {
              const std::lock_guard lock(mutex);
              ++running;
              if (!is_alone(i)) used += memory[i];
              outcome.most_memory = std::max(outcome.most_memory, used);
            }
            for (volatile int spin = 0; spin < 20000;) spin = spin + 1;
            const std::lock_guard lock(mutex);
            if (is_alone(i) && running != 1) outcome.was_alone_disturbed = true;
            const int width = tbb::this_task_arena::max_concurrency();
            if (width != (is_alone(i) ? limits.threads : 1)) outcome.was_width_wrong = true;
            if (!is_alone(i)) used -= memory[i];
            --running;
          },
      .completed = [&](std::size_t i) { outcome.completed.push_back(i); },
  };
  RunPipeline(limits, work);
  return outcome;
}

std::vector<std::size_t> Indices(std::size_t count) {
  std::vector<std::size_t> indices(count);
  std::iota(indices.begin(), indices.end(), 0);
  return indices;
}

TEST(FilePipelineTest, NothingToDo) {
  EXPECT_TRUE(RunItems({.threads = 4, .memory_bytes = 10}, {}).completed.empty());
}

TEST(FilePipelineTest, CompletesInOrderWithinTheLimit) {
  std::vector<std::uint64_t> memory;
  for (std::uint64_t i = 0; i < 500; ++i) memory.push_back(1 + i * 7 % 10);
  const Outcome outcome = RunItems({.threads = 8, .memory_bytes = 20}, memory);
  EXPECT_EQ(outcome.completed, Indices(memory.size()));
  EXPECT_LE(outcome.most_memory, 20u);
  EXPECT_FALSE(outcome.was_width_wrong);
}

TEST(FilePipelineTest, LargeItemsAreAloneWithAllThreads) {
  std::vector<std::uint64_t> memory;
  for (std::uint64_t i = 0; i < 200; ++i) memory.push_back(i % 10 == 3 ? 0 : i % 10 == 7 ? 21 : 1);
  const Outcome outcome = RunItems({.threads = 4, .memory_bytes = 20}, memory);
  EXPECT_EQ(outcome.completed, Indices(memory.size()));
  EXPECT_FALSE(outcome.was_alone_disturbed);
  EXPECT_FALSE(outcome.was_width_wrong);
}

TEST(FilePipelineTest, OneThreadDoesOneAfterTheOther) {
  const Outcome outcome = RunItems({.threads = 1, .memory_bytes = 20}, {5, 5, 5, 0, 5});
  EXPECT_EQ(outcome.completed, Indices(5));
  EXPECT_EQ(outcome.most_memory, 5u);
}

}  // namespace
}  // namespace dcac::cli
