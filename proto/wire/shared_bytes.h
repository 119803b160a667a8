// Parts of buffers that others use too.
#ifndef DCAC_PROTO_WIRE_SHARED_BYTES_H_
#define DCAC_PROTO_WIRE_SHARED_BYTES_H_

#include <cstddef>
#include <memory>
#include <span>
#include <vector>

namespace dcac::wire {

struct SharedBytes {
  std::shared_ptr<const void> owner;  // of the bytes: they live as long as it does
  std::span<const std::byte> bytes;
};

// Bytes that follow each other, in parts.
struct SharedPieces {
  std::shared_ptr<const void> owner;  // of all of them
  std::vector<std::span<const std::byte>> pieces;

  std::size_t size() const {
    std::size_t sum = 0;
    for (const auto& piece : pieces) sum += piece.size();
    return sum;
  }
};

}  // namespace dcac::wire

#endif  // DCAC_PROTO_WIRE_SHARED_BYTES_H_
