// The door that every call passes before anything is done for it: authentication, admission, a request id.
#ifndef DCAC_SERVER_CALL_GATE_H_
#define DCAC_SERVER_CALL_GATE_H_

#include <grpcpp/server_context.h>

#include <memory>

#include "absl/status/statusor.h"
#include "server/admission.h"
#include "server/authenticator.h"
#include "server/call.h"
#include "server/metrics.h"

namespace dcac::server {

// Thread-safe.  What its constructor gets must outlive all calls.
class CallGate {
 public:
  CallGate(const Authenticator& authenticator, Admission& admission, Metrics& metrics)
      : authenticator_(authenticator), admission_(admission), metrics_(metrics) {}

  // A refused call is counted here and has to be ended with the status.
  // Errors: those of Authenticator and of Admission.
  absl::StatusOr<std::unique_ptr<Call>> Begin(Method method, grpc::CallbackServerContext& context);

 private:
  const Authenticator& authenticator_;
  Admission& admission_;
  Metrics& metrics_;
};

}  // namespace dcac::server

#endif  // DCAC_SERVER_CALL_GATE_H_
