// Part of a buffer that others use too.
#ifndef DCAC_SERVER_SHARED_BYTES_H_
#define DCAC_SERVER_SHARED_BYTES_H_

#include <cstddef>
#include <memory>
#include <span>
#include <vector>

namespace dcac::server {

struct SharedBytes {
  std::shared_ptr<const std::vector<std::byte>> owner;  // of the bytes: they live as long as it does
  std::span<const std::byte> bytes;
};

}  // namespace dcac::server

#endif  // DCAC_SERVER_SHARED_BYTES_H_
