// Calls to servers: which connection one takes, and when it is tried again.
#ifndef DCAC_CLIENT_INTERNAL_REMOTE_CALLS_H_
#define DCAC_CLIENT_INTERNAL_REMOTE_CALLS_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "client/internal/chunk_exchange.h"
#include "client/internal/connection.h"
#include "client/internal/connection_pool.h"
#include "client/internal/retry_policy.h"
#include "dcac/client_options.h"

namespace dcac::client::internal {

// Thread-safe.
class RemoteCalls {
 public:
  using Attempt = std::function<absl::Status(Connection& connection)>;

  // `clock` must outlive this.
  RemoteCalls(std::vector<std::unique_ptr<Connection>> connections, const RetryOptions& retry, RetryClock& clock)
      : pool_(std::move(connections)), retry_(retry), clock_(clock) {}

  // Calls `attempt` until it succeeds or trying again makes no sense; before each time but the first `rewind` is asked
  // whether that is possible.  `progress` says how far the attempts so far have got, where they need not begin anew.
  // Errors: those of the last attempt; Cancelled.
  absl::Status Run(
      const CallContext& call, const Attempt& attempt, const std::function<bool()>& rewind,
      const std::function<std::uint64_t()>& progress = [] { return std::uint64_t{0}; });

  // Of the next call, whose chunks have `chunk_bytes`: fewer where the last call was refused by a server without room,
  // for what is sent to such a one is sent in vain.
  ChunkSizes SizesOfChunks(std::size_t chunk_bytes) const;

  absl::StatusOr<v1::GetCapabilitiesResponse> GetCapabilities(const CallContext& call);
  absl::StatusOr<v1::GetStatusResponse> GetStatus(const CallContext& call);

  // The largest tensor that servers take in one message.  They are asked once.
  absl::StatusOr<std::uint64_t> MaxUnaryBytes(const CallContext& call);

 private:
  ConnectionPool pool_;
  const RetryOptions retry_;
  RetryClock& clock_;
  std::atomic<bool> was_refused_{false};  // the last call
  absl::Mutex mutex_;
  std::optional<std::uint64_t> max_unary_bytes_ ABSL_GUARDED_BY(mutex_);
};

// A call with one request and one response.
template <typename Request, typename Response>
absl::StatusOr<Response> Ask(RemoteCalls& calls, const CallContext& call,
                             absl::StatusOr<Response> (Connection::*method)(const CallContext&, const Request&),
                             const Request& request) {
  absl::StatusOr<Response> response;
  const absl::Status status = calls.Run(
      call,
      [&](Connection& connection) {
        response = (connection.*method)(call, request);
        return response.status();
      },
      [] { return true; });
  if (!status.ok()) return status;
  return response;
}

}  // namespace dcac::client::internal

#endif  // DCAC_CLIENT_INTERNAL_REMOTE_CALLS_H_
