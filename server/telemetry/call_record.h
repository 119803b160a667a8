// An ended call, as the log and the status page tell of it.
#ifndef DCAC_SERVER_TELEMETRY_CALL_RECORD_H_
#define DCAC_SERVER_TELEMETRY_CALL_RECORD_H_

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "server/telemetry/trace_context.h"

namespace dcac::server {

struct CallRecord {
  std::string request_id;
  std::optional<TraceContext> trace;
  std::string_view method;  // of a literal
  std::string tenant;
  std::string caller;
  std::string peer;
  std::string dtype;  // empty: the call did not come so far
  std::optional<int> level;
  std::uint64_t raw_bytes = 0;
  std::uint64_t stored_bytes = 0;
  std::string code;     // "OK", "RESOURCE_EXHAUSTED"
  std::string message;  // of the status
  std::chrono::system_clock::time_point end;
  std::chrono::nanoseconds duration{};
};

}  // namespace dcac::server

#endif  // DCAC_SERVER_TELEMETRY_CALL_RECORD_H_
