#include "proto/wire/retry_info.h"

#include "absl/strings/cord.h"
#include "dcac/v1/error_details.pb.h"

namespace dcac::wire {
namespace {

// What the type Duration allows: about 10,000 years.
constexpr std::int64_t kMaxSeconds = 315'576'000'000;

}  // namespace

absl::Status WithRetryDelay(absl::Status status, std::chrono::milliseconds delay) {
  v1::RetryInfo info;
  info.mutable_retry_delay()->set_seconds(delay.count() / 1000);
  info.mutable_retry_delay()->set_nanos(static_cast<std::int32_t>(delay.count() % 1000 * 1'000'000));
  status.SetPayload(kRetryInfoUrl, absl::Cord(info.SerializeAsString()));
  return status;
}

std::optional<std::chrono::milliseconds> RetryDelay(const absl::Status& status) {
  const auto payload = status.GetPayload(kRetryInfoUrl);
  v1::RetryInfo info;
  if (!payload || !info.ParseFromString(std::string(*payload)) || !info.has_retry_delay()) return std::nullopt;
  const auto& delay = info.retry_delay();
  if (delay.seconds() < 0 || delay.seconds() > kMaxSeconds || delay.nanos() < 0) return std::nullopt;
  return std::chrono::seconds(delay.seconds()) + std::chrono::milliseconds(delay.nanos() / 1'000'000);
}

}  // namespace dcac::wire
