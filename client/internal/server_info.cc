#include "client/internal/server_info.h"

#include <algorithm>
#include <iterator>
#include <vector>

namespace dcac::client::internal {
namespace {

// The numbers of the contract are those of core (proto/wire/convert.cc).
template <typename T, typename Values>
std::vector<T> EnumsFromProto(const Values& values) {
  std::vector<T> result;
  std::ranges::transform(values, std::back_inserter(result), [](int value) { return static_cast<T>(value); });
  return result;
}

}  // namespace

Capabilities FromProto(const v1::GetCapabilitiesResponse& response) {
  return {.server_version = response.server_version(),
          .dtypes = EnumsFromProto<DType>(response.dtypes()),
          .layouts = EnumsFromProto<Layout>(response.layouts()),
          .modes = EnumsFromProto<Mode>(response.modes()),
          .min_level = response.min_level(),
          .max_level = response.max_level(),
          .max_tensor_bytes = response.max_tensor_bytes(),
          .max_slab_bytes = response.max_slab_bytes(),
          .max_chunk_bytes = response.max_chunk_bytes(),
          .max_unanswered_chunks = response.max_unanswered_chunks(),
          .max_streams = response.max_streams(),
          .max_unary_bytes = response.max_unary_bytes(),
          .max_inspect_bytes = response.max_inspect_bytes(),
          .budget_bytes = response.budget_bytes()};
}

ServerStatus FromProto(const v1::GetStatusResponse& response) {
  ServerStatus status{.server_version = response.server_version(),
                      .simd_target = response.simd_target(),
                      .threads = response.threads(),
                      .uptime = std::chrono::milliseconds(response.uptime_ms()),
                      .serving = response.serving(),
                      .rss_bytes = response.rss_bytes(),
                      .peak_rss_bytes = response.peak_rss_bytes(),
                      .cpu_time = std::chrono::milliseconds(response.cpu_ms()),
                      .reserved_bytes = response.reserved_bytes(),
                      .budget_bytes = response.budget_bytes(),
                      .open_calls = response.open_calls(),
                      .max_calls = response.max_calls(),
                      .received_bytes = response.received_bytes(),
                      .sent_bytes = response.sent_bytes()};
  for (const auto& [code, calls] : response.calls_by_code()) {
    status.calls_by_code[static_cast<absl::StatusCode>(code)] += calls;
  }
  return status;
}

}  // namespace dcac::client::internal
