// What calls of a client give beside tensors and frames.
#ifndef DCAC_CLIENT_RESULTS_H_
#define DCAC_CLIENT_RESULTS_H_

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "dcac/frame_info.h"
#include "dcac/options.h"
#include "dcac/tensor.h"

namespace dcac::client {

// What a stream moved.  `digest` is of the tensor's bytes; it was checked at both ends.
struct TransferStats {
  std::uint64_t raw_bytes = 0;    // of the tensor
  std::uint64_t frame_bytes = 0;  // of the frame
  Digest digest{};
  TensorSpec spec;
};

// What a server can do and how much it accepts.
struct Capabilities {
  std::string server_version;
  std::vector<DType> dtypes;
  std::vector<Layout> layouts;
  std::vector<Mode> modes;
  int min_level = 0;
  int max_level = 0;
  std::uint64_t max_tensor_bytes = 0;
  std::uint64_t max_slab_bytes = 0;
  std::uint64_t max_chunk_bytes = 0;
  std::uint64_t max_unanswered_chunks = 0;
  std::uint64_t max_streams = 0;
  std::uint64_t max_unary_bytes = 0;    // largest tensor that is one message; 0: the server streams all
  std::uint64_t max_inspect_bytes = 0;  // largest frame of Inspect
  std::uint64_t budget_bytes = 0;       // that all calls together may hold
};

// How a server is.
struct ServerStatus {
  std::string server_version;
  std::string simd_target;  // chosen by run-time dispatch
  std::uint32_t threads = 0;
  std::chrono::milliseconds uptime{0};
  bool serving = false;  // false while it drains

  std::uint64_t rss_bytes = 0;
  std::uint64_t peak_rss_bytes = 0;
  std::chrono::milliseconds cpu_time{0};

  std::uint64_t reserved_bytes = 0;  // by calls, of budget_bytes
  std::uint64_t budget_bytes = 0;
  std::uint64_t open_calls = 0;
  std::uint64_t max_calls = 0;

  std::map<absl::StatusCode, std::uint64_t> calls_by_code;  // since the server began
  std::uint64_t received_bytes = 0;
  std::uint64_t sent_bytes = 0;
};

}  // namespace dcac::client

#endif  // DCAC_CLIENT_RESULTS_H_
