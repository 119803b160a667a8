// Calls in the background, on the threads of a client.
#ifndef DCAC_CLIENT_INTERNAL_ASYNC_CALL_H_
#define DCAC_CLIENT_INTERNAL_ASYNC_CALL_H_

#include <functional>
#include <future>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "dcac/client_options.h"

namespace dcac::client::internal {

// A future, and the callback that fulfils it.
template <typename T>
std::pair<std::future<absl::StatusOr<T>>, std::function<void(absl::StatusOr<T>)>> Promise() {
  const auto promise = std::make_shared<std::promise<absl::StatusOr<T>>>();
  return {promise->get_future(), [promise](absl::StatusOr<T> result) { promise->set_value(std::move(result)); }};
}

// Runs `work(begun call)` on a thread of the client whose Impl this is, and gives `done` its result.  The task does not
// keep the client: whoever ends it ends its tasks.
template <typename Impl, typename Callback, typename Work>
void StartCall(Impl& impl, const CallOptions& call, Callback done, Work work) {
  auto begun = impl.Begin(call);
  if (!begun.ok()) return done(begun.status());
  const auto shared_done = std::make_shared<Callback>(std::move(done));
  const absl::Status submitted = impl.executor.Submit([shared_done, begun = *std::move(begun), work](bool run) {
    (*shared_done)(run ? work(begun) : absl::CancelledError("the client has ended"));
  });
  if (!submitted.ok()) (*shared_done)(submitted);
}

}  // namespace dcac::client::internal

#endif  // DCAC_CLIENT_INTERNAL_ASYNC_CALL_H_
