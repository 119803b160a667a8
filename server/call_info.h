// What is known of a call: for authentication, metrics and the log.
#ifndef DCAC_SERVER_CALL_INFO_H_
#define DCAC_SERVER_CALL_INFO_H_

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "dcac/tensor.h"

namespace dcac::server {

enum class Method {
  kCompress,
  kDecompress,
  kCompressTensor,
  kDecompressTensor,
  kInspect,
  kBatchCompress,
  kGetCapabilities,
  kGetStatus,
};
inline constexpr int kNumMethods = 8;
std::string_view MethodName(Method method);  // as in the contract

// What a token may be good for.
enum class Scope { kAny, kRead, kWrite, kAdmin };
Scope RequiredScope(Method method);

struct CallInfo {
  Method method = Method::kCompress;
  std::string tenant;       // of the token; empty where the server asks for none
  std::string caller;       // with the tenant: whom the budget is shared between
  std::string peer;         // address, as the transport writes it
  std::string request_id;   // of this server
  std::string traceparent;  // as the client sent it; empty: none, or not valid
  std::chrono::steady_clock::time_point start;
};

// What a call was about, as far as it came.
struct CallFacts {
  std::optional<DType> dtype;
  std::optional<int> level;  // of compression
  std::uint64_t raw_bytes = 0;
  std::uint64_t stored_bytes = 0;
};

}  // namespace dcac::server

#endif  // DCAC_SERVER_CALL_INFO_H_
