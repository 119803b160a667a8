// The digest of a tensor whose bytes come in pieces.
#ifndef DCAC_PROTO_WIRE_DIGEST_ACCUMULATOR_H_
#define DCAC_PROTO_WIRE_DIGEST_ACCUMULATOR_H_

#include <cstddef>
#include <memory>
#include <span>

#include "dcac/frame_info.h"

struct XXH3_state_s;

namespace dcac::wire {

// Gives what ComputeDigest gives of all pieces together.
class DigestAccumulator {
 public:
  DigestAccumulator();
  void Update(std::span<const std::byte> bytes);
  Digest Get() const;  // of the bytes so far

 private:
  struct Free {
    void operator()(XXH3_state_s* state) const;
  };
  std::unique_ptr<XXH3_state_s, Free> state_;
};

}  // namespace dcac::wire

#endif  // DCAC_PROTO_WIRE_DIGEST_ACCUMULATOR_H_
