// When it makes sense to repeat a call that was refused: google.rpc.RetryInfo in the details of its status.
#ifndef DCAC_PROTO_WIRE_RETRY_INFO_H_
#define DCAC_PROTO_WIRE_RETRY_INFO_H_

#include <chrono>
#include <optional>
#include <string>

#include "absl/status/status.h"

namespace dcac::wire {

// Of the payload that carries it in a status, and of the detail on the wire.
inline constexpr char kRetryInfoUrl[] = "type.googleapis.com/google.rpc.RetryInfo";

// `status`, which is not OK, with the advice to try again after `delay`.
absl::Status WithRetryDelay(absl::Status status, std::chrono::milliseconds delay);

// Nothing: the status gives no such advice, or none that can be read.
std::optional<std::chrono::milliseconds> RetryDelay(const absl::Status& status);

}  // namespace dcac::wire

#endif  // DCAC_PROTO_WIRE_RETRY_INFO_H_
