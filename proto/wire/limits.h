// Numbers of the wire contract (proto/dcac/v1/compression.proto).
#ifndef DCAC_PROTO_WIRE_LIMITS_H_
#define DCAC_PROTO_WIRE_LIMITS_H_

#include <cstddef>

namespace dcac::wire {

inline constexpr std::size_t kDefaultChunkBytes = 512u << 10;
inline constexpr std::size_t kMaxChunkBytes = 1u << 20;
inline constexpr std::size_t kMaxUnansweredChunks = 16;

// A tensor that is one message.
inline constexpr std::size_t kMaxUnaryBytes = 4u << 20;
inline constexpr std::size_t kMaxBatchItemBytes = 1u << 20;
inline constexpr std::size_t kMaxInspectBytes = 64u << 20;

// The largest of these with what is around it.
inline constexpr std::size_t kMaxMessageBytes = kMaxUnaryBytes + (64u << 10);

}  // namespace dcac::wire

#endif  // DCAC_PROTO_WIRE_LIMITS_H_
