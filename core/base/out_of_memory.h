// Nothing throws across a public header: where memory runs out, a status says so.
#ifndef DCAC_CORE_BASE_OUT_OF_MEMORY_H_
#define DCAC_CORE_BASE_OUT_OF_MEMORY_H_

#include <new>

#include "absl/status/status.h"

namespace dcac {

// Calls `body`, which returns a Status or StatusOr; std::bad_alloc becomes ResourceExhausted.
template <typename Body>
auto CatchOutOfMemory(Body body) -> decltype(body()) {
  try {
    return body();
  } catch (const std::bad_alloc&) {
    return absl::ResourceExhaustedError("out of memory");
  }
}

}  // namespace dcac

#endif  // DCAC_CORE_BASE_OUT_OF_MEMORY_H_
