// What the server grants a call.
#ifndef DCAC_SERVER_LIMITS_H_
#define DCAC_SERVER_LIMITS_H_

#include <cstdint>

namespace dcac::server {

struct Limits {
  std::uint64_t max_tensor_bytes = std::uint64_t{64} << 30;  // of one tensor, in either direction
  std::uint64_t max_slab_bytes = std::uint64_t{256} << 20;   // raw bytes that one stream holds at a time to code them
  std::uint64_t max_streams = 64;                            // open at a time
};

}  // namespace dcac::server

#endif  // DCAC_SERVER_LIMITS_H_
