// What the server grants a call.
#ifndef DCAC_SERVER_LIMITS_H_
#define DCAC_SERVER_LIMITS_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "absl/status/status.h"
#include "dcac/options.h"
#include "proto/wire/limits.h"

namespace dcac::server {

struct Limits {
  std::uint64_t max_tensor_bytes = std::uint64_t{64} << 30;  // of one tensor, in either direction
  std::uint64_t max_slab_bytes = std::uint64_t{256} << 20;   // raw bytes that one stream holds at a time to code them
  std::uint64_t max_streams = 256;                           // calls that are open at a time
  std::uint64_t budget_bytes = 0;                            // that all calls together may hold; 0: DefaultMemoryBytes
};

// Errors: ResourceExhausted (more than max_tensor_bytes).
absl::Status CheckTensorBytes(std::uint64_t tensor_bytes, const Limits& limits);

// Errors: ResourceExhausted (more than max_slab_bytes).
absl::Status CheckSlabBytes(std::uint64_t slab_bytes, const Limits& limits);

// Errors: ResourceExhausted (more than an item of a batch may have).
absl::Status CheckItemBytes(std::uint64_t item_bytes);

// What a decoder may do for a call.
DecodeLimits ToDecodeLimits(const Limits& limits);

// What a stream's messages may take on their way: those that a client may leave unanswered, in the transport and here,
// and replies that wait to be sent: chunks, or items of a batch.
inline constexpr std::uint64_t kMaxInputBytesInFlight = wire::kMaxUnansweredChunks * wire::kMaxChunkBytes;
inline constexpr std::size_t kMaxRepliesInFlight = 4;
inline constexpr std::size_t kMaxItemRepliesInFlight = wire::kMaxUnansweredChunks;
inline constexpr std::uint64_t kMaxOutputBytesInFlight = kMaxRepliesInFlight * wire::kMaxChunkBytes;

// What a task takes of a stream's input where so much waits: as much as costs little beside the task itself.  Other
// streams get their turn in between.
inline constexpr std::size_t kChunksAtOnce = 4;
inline constexpr std::size_t kBytesAtOnce = 1u << 20;

// The same of a stream with so much input; 0: nobody knows how much.
constexpr std::uint64_t InputBytesInFlight(std::uint64_t input_bytes) {
  return input_bytes == 0 ? kMaxInputBytesInFlight
                          : std::min(input_bytes + wire::kMaxChunkBytes, kMaxInputBytesInFlight);
}

}  // namespace dcac::server

#endif  // DCAC_SERVER_LIMITS_H_
