// Both directions of a stream on one thread.
#ifndef DCAC_CLIENT_INTERNAL_EXCHANGE_H_
#define DCAC_CLIENT_INTERNAL_EXCHANGE_H_

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/internal/connection.h"
#include "core/base/status_macros.h"

namespace dcac::client::internal {

// Writes while there is credit, reads otherwise, until the call ends: the server takes requests up to the credit
// without waiting for a reader, so neither side can wait for the other.  `has_credit()` says whether to write; `send()`
// writes the next request, and is false when there is nothing more to write; `receive(response, data)` takes a response
// and the data of its chunk.  Errors: those of these, after which the call is given up; otherwise how the server ended
// it.
template <typename Request, typename Response, typename HasCredit, typename Send, typename Receive>
absl::Status RunExchange(Stream<Request, Response>& stream, HasCredit has_credit, Send send, Receive receive) {
  const auto exchange = [&]() -> absl::Status {
    bool writing = true;
    Response response;
    wire::SharedPieces data;
    while (true) {
      while (writing && has_credit()) {
        DCAC_ASSIGN_OR_RETURN(writing, send());
      }
      if (!stream.Read(&response, &data)) return absl::OkStatus();
      DCAC_RETURN_IF_ERROR(receive(response, data));
    }
  };
  const absl::Status local = exchange();
  if (!local.ok()) stream.Cancel();
  const absl::Status remote = stream.Finish();
  return local.ok() ? remote : local;
}

}  // namespace dcac::client::internal

#endif  // DCAC_CLIENT_INTERNAL_EXCHANGE_H_
