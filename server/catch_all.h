// Exceptions become statuses: gRPC would answer UNIMPLEMENTED to one.
#ifndef DCAC_SERVER_CATCH_ALL_H_
#define DCAC_SERVER_CATCH_ALL_H_

#include <exception>
#include <new>

#include "absl/status/status.h"

namespace dcac::server {

// The status that `function` returns, or ResourceExhausted (out of memory), or Internal.
template <typename Function>
absl::Status CatchAll(const Function& function) {
  try {
    return function();
  } catch (const std::bad_alloc&) {
    return absl::ResourceExhaustedError("the server is out of memory");
  } catch (const std::exception& error) {
    return absl::InternalError(error.what());
  } catch (...) {
    return absl::InternalError("unknown exception");
  }
}

}  // namespace dcac::server

#endif  // DCAC_SERVER_CATCH_ALL_H_
