// Work on many files at once, within a bound on memory.
#ifndef DCAC_CLIENT_CLI_FILE_PIPELINE_H_
#define DCAC_CLIENT_CLI_FILE_PIPELINE_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>

namespace dcac::cli {

struct PipelineLimits {
  int threads = 0;                 // 0 = as many as there are processors
  std::uint64_t memory_bytes = 0;  // of all files that are worked on at a time
};

struct PipelineWork {
  std::size_t count = 0;

  // How much memory item `index` takes.  Nothing: it is worked on alone, with all threads; so is one that takes more
  // than the limit.  The others have one thread each.
  std::function<std::optional<std::uint64_t>(std::size_t index)> memory_bytes;

  // Any number of threads may be here, each for another item.  Items begin in their order.
  std::function<void(std::size_t index)> run;

  // Called once an item and all before it have been run; one thread at a time, in their order.
  std::function<void(std::size_t index)> completed;
};

// Returns when all items are completed.
void RunPipeline(const PipelineLimits& limits, const PipelineWork& work);

}  // namespace dcac::cli

#endif  // DCAC_CLIENT_CLI_FILE_PIPELINE_H_
