// Calls of many workers for a time, and what came of them.
#ifndef DCAC_CLIENT_LOADGEN_LOAD_H_
#define DCAC_CLIENT_LOADGEN_LOAD_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/loadgen/caller.h"
#include "client/loadgen/histogram.h"
#include "dcac/tensor.h"

namespace dcac::loadgen {

enum class CallKind { kCompress, kDecompress };

struct LoadTensor {
  std::string name;
  Tensor tensor;
  std::vector<std::byte> frame;  // of the tensor, what Compress must give
  std::uint32_t weight = 1;
};

struct LoadOptions {
  int concurrency = 1;  // workers, each with a caller of its own
  std::chrono::nanoseconds warmup{0};
  std::chrono::nanoseconds duration{0};
  // Closed loop, without a rate: each worker calls again as soon as its call ended.  Open loop: so many calls in a
  // second begin, of all workers together, however long the calls take.
  std::optional<double> rate;
  std::uint64_t seed = 1;                               // of the arrivals
  std::vector<CallKind> kinds = {CallKind::kCompress};  // each tensor's in turn; at least one
  bool verify_all = false;                              // otherwise the first call of each tensor and kind
  // Closed loop: a call that is refused with the advice to come back is repeated after that time.
  bool retry_refused = false;
};

// Processor time and memory at a moment.
struct Usage {
  std::chrono::milliseconds server_cpu{0};
  std::uint64_t server_peak_rss_bytes = 0;
  std::chrono::milliseconds client_cpu{0};
};
using UsageProbe = std::function<Usage()>;

// The measured time begins after the warm-up.  Calls that begin in it count, and the run goes on until they have ended;
// in the open loop they begin when the schedule says so, whether or not a worker is free then, so that a server that
// stalls is charged with all who wait meanwhile (coordinated omission).
struct LoadResult {
  std::chrono::nanoseconds duration{0};  // measured

  std::uint64_t requests = 0;   // ended ones, with those below
  std::uint64_t completed = 0;  // successfully
  std::uint64_t refused = 0;    // RESOURCE_EXHAUSTED with the advice to come back
  std::map<absl::StatusCode, std::uint64_t> errors_by_code;
  absl::Status first_error;  // of those

  // Of completed calls, in the measured time: a call that begins before it or ends after it counts for the part of its
  // time that lies within.
  double raw_bytes = 0;
  double stored_bytes = 0;

  Histogram latency;  // of completed calls; with retry_refused from the first attempt on
  std::vector<std::uint64_t> completed_by_worker;

  Usage usage_before, usage_after;  // at the begin and end of the measured time; memory when all calls have ended
};

// Errors: those of `make_caller`.
absl::StatusOr<LoadResult> RunLoad(const LoadOptions& options, const std::vector<LoadTensor>& tensors,
                                   const CallerFactory& make_caller, const UsageProbe& usage);

}  // namespace dcac::loadgen

#endif  // DCAC_CLIENT_LOADGEN_LOAD_H_
