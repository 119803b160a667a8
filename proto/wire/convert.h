// Between core's types and the messages of the contract.  Whatever comes from a message is checked.
#ifndef DCAC_PROTO_WIRE_CONVERT_H_
#define DCAC_PROTO_WIRE_CONVERT_H_

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "dcac/frame_info.h"
#include "dcac/options.h"
#include "dcac/tensor.h"
#include "dcac/v1/compression.pb.h"

namespace dcac::wire {

void ToProto(const TensorSpec& spec, v1::TensorSpec* message);
void ToProto(const EncodeOptions& options, v1::EncodeOptions* message);
void ToProto(const FrameInfo& info, v1::FrameInfo* message);
std::string ToProto(const Digest& digest);

// Errors of each: InvalidArgument (an enum value that is unknown or unspecified, too many axes, a digest of another
// length than 16 bytes).  Ranges that core checks itself are left to it.
absl::StatusOr<TensorSpec> FromProto(const v1::TensorSpec& message);
absl::StatusOr<EncodeOptions> FromProto(const v1::EncodeOptions& message);
absl::StatusOr<Digest> DigestFromProto(std::string_view bytes);

// The bytes of a message's field, without a copy.
std::span<const std::byte> AsBytes(std::string_view text);

}  // namespace dcac::wire

#endif  // DCAC_PROTO_WIRE_CONVERT_H_
