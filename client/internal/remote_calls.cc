#include "client/internal/remote_calls.h"

#include <algorithm>

#include "core/base/status_macros.h"
#include "proto/wire/retry_info.h"

namespace dcac::client::internal {
namespace {

bool NothingToRewind() {
  return true;
}

}  // namespace

absl::Status RemoteCalls::Run(const CallContext& call, const Attempt& attempt, const std::function<bool()>& rewind,
                              const std::function<std::uint64_t()>& progress) {
  RetryPolicy policy(retry_, pool_.size(), call.deadline, clock_);
  const Connection* failed = nullptr;
  std::uint64_t reached = 0;
  while (true) {
    if (call.cancel.cancelled()) return absl::CancelledError("cancelled by the caller");
    Connection& connection = pool_.Next(failed);
    const absl::Status status = attempt(connection);
    was_refused_.store(absl::IsResourceExhausted(status) && wire::RetryDelay(status).has_value(),
                       std::memory_order_relaxed);
    if (status.ok() || !call.repeats || !IsTransient(status) || !rewind()) return status;
    if (const std::uint64_t now = progress(); now > reached) {
      reached = now;
      policy.Restart();
    }
    if (!policy.WaitForNextAttempt(status, call.cancel)) return status;
    policy.AwaitConnection([this] { return pool_.AwaitReady(); }, call.cancel);
    failed = &connection;
  }
}

ChunkSizes RemoteCalls::SizesOfChunks(std::size_t chunk_bytes) const {
  constexpr std::size_t kCautiousBytes = 64u << 10;
  const bool cautious = was_refused_.load(std::memory_order_relaxed);
  return {.first = cautious ? std::min(kCautiousBytes, chunk_bytes) : chunk_bytes, .later = chunk_bytes};
}

absl::StatusOr<v1::GetCapabilitiesResponse> RemoteCalls::GetCapabilities(const CallContext& call) {
  absl::StatusOr<v1::GetCapabilitiesResponse> response;
  DCAC_RETURN_IF_ERROR(Run(
      call,
      [&](Connection& connection) {
        response = connection.GetCapabilities(call);
        return response.status();
      },
      NothingToRewind));
  const absl::MutexLock lock(&mutex_);
  max_unary_bytes_ = response->max_unary_bytes();
  return response;
}

absl::StatusOr<v1::GetStatusResponse> RemoteCalls::GetStatus(const CallContext& call) {
  absl::StatusOr<v1::GetStatusResponse> response;
  DCAC_RETURN_IF_ERROR(Run(
      call,
      [&](Connection& connection) {
        response = connection.GetStatus(call);
        return response.status();
      },
      NothingToRewind));
  return response;
}

absl::StatusOr<std::uint64_t> RemoteCalls::MaxUnaryBytes(const CallContext& call) {
  {
    const absl::MutexLock lock(&mutex_);
    if (max_unary_bytes_) return *max_unary_bytes_;
  }
  DCAC_ASSIGN_OR_RETURN(const v1::GetCapabilitiesResponse response, GetCapabilities(call));
  return response.max_unary_bytes();
}

}  // namespace dcac::client::internal
