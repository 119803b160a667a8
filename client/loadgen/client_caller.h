// Callers that have their tensors coded by a server.
#ifndef DCAC_CLIENT_LOADGEN_CLIENT_CALLER_H_
#define DCAC_CLIENT_LOADGEN_CLIENT_CALLER_H_

#include <memory>

#include "client/loadgen/caller.h"
#include "dcac/client.h"
#include "dcac/options.h"

namespace dcac::loadgen {

enum class Transport {
  kAuto,    // as the client library decides: one message for small tensors, a stream for others
  kStream,  // a stream for all
};

// `client`: of this caller alone, with a name of its own among the callers of the server, so that the server sees as
// many callers as there are.
std::unique_ptr<Caller> MakeClientCaller(client::Client client, const EncodeOptions& options, Transport transport);

}  // namespace dcac::loadgen

#endif  // DCAC_CLIENT_LOADGEN_CLIENT_CALLER_H_
