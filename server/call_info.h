// What is known of a call: for authentication, metrics and the log.
#ifndef DCAC_SERVER_CALL_INFO_H_
#define DCAC_SERVER_CALL_INFO_H_

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "dcac/tensor.h"
#include "server/telemetry/trace_context.h"

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
  kPut,
  kQueryUpload,
  kGet,
  kBatchPut,
  kBatchGet,
  kFindMissing,
  kStat,
  kList,
  kDelete,
  kDeletePrefix,
  kTouch,
  kPin,
  kGetUsage,
  kScrub,
};
inline constexpr int kNumMethods = 22;
std::string_view MethodName(Method method);  // as in the contract

// What a method does with tensors.
enum class Direction { kCompress, kDecompress };
std::string_view DirectionName(Direction direction);
std::optional<Direction> DirectionOf(Method method);  // nothing: it does neither

// What a token may be good for.
enum class Scope { kAny, kRead, kWrite, kAdmin };
Scope RequiredScope(Method method);

struct CallInfo {
  Method method = Method::kCompress;
  std::string tenant;                 // of the token; empty where the server asks for none
  std::string store_tenant;           // whose objects it is about, whether or not tokens are asked for
  std::string caller;                 // with the tenant: whom the budget is shared between
  std::string peer;                   // address, as the transport writes it
  std::string request_id;             // of this server
  std::optional<TraceContext> trace;  // that the client sent
  std::chrono::steady_clock::time_point start;
};

// Why the server would not serve a call.
enum class Refusal {
  kBudget,          // no room in the budget now
  kCalls,           // too many calls are open
  kLimit,           // more than the server ever grants
  kAuthentication,  // no token, or one that is not known
  kPermission,      // the token is not good for this
};
inline constexpr std::array kAllRefusals = {Refusal::kBudget, Refusal::kCalls, Refusal::kLimit,
                                            Refusal::kAuthentication, Refusal::kPermission};
std::string_view RefusalName(Refusal refusal);

// Where the time of a call went; what is left it waited for its client.
struct StageTimes {
  std::chrono::nanoseconds queue{};  // waiting for a worker
  std::chrono::nanoseconds work{};
  std::chrono::nanoseconds send{};  // messages on their way into the transport
};

// What a call was about, as far as it came.
struct CallFacts {
  std::optional<DType> dtype;
  std::optional<int> level;  // of compression
  std::uint64_t raw_bytes = 0;
  std::uint64_t stored_bytes = 0;
  StageTimes stages;
  std::optional<Refusal> refusal;  // where the status does not tell
  bool ended_idle = false;         // the client neither sent nor read

  // What an item of the call was about, too.
  void Add(const CallFacts& item);
};

}  // namespace dcac::server

#endif  // DCAC_SERVER_CALL_INFO_H_
