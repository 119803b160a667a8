// dcac core: lossless compression of the feature maps of neural networks.  This umbrella header is all a user needs.
//
// A tensor becomes a frame (docs/format.md).  The functions here work on whole tensors in memory; frame_encoder.h and
// frame_decoder.h stream.  Nothing here prints, exits or throws.  All functions are thread-safe; they run on the
// calling thread and on the oneTBB arena that it is in (wrap a call in tbb::task_arena::execute to bound the threads).
// Results do not depend on the number of threads, the machine or the caller's floating-point environment.
#ifndef DCAC_CODEC_H_
#define DCAC_CODEC_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "dcac/explain.h"
#include "dcac/frame_decoder.h"
#include "dcac/frame_encoder.h"
#include "dcac/frame_info.h"
#include "dcac/layout_guess.h"
#include "dcac/options.h"
#include "dcac/segment_observer.h"
#include "dcac/slice.h"
#include "dcac/tensor.h"

namespace dcac {

// Upper bound of the bytes of a frame whose EncodeOptions::segment_bytes is 64 KiB or more: raw + raw / 1000 + 64.
// Every segment costs up to 16 bytes, so that smaller ones may exceed it.
std::uint64_t MaxFrameBytes(std::uint64_t raw_bytes);

// Compresses `data`, the samples of a tensor of `spec`, into one frame.
// Errors: InvalidArgument (spec or option out of range; `data` is not TensorBytes(spec) long).
absl::StatusOr<std::vector<std::byte>> Compress(const TensorSpec& spec, std::span<const std::byte> data,
                                                const EncodeOptions& options = {});

// Restores the tensor of `frame`, bit for bit.
// Errors: DataLoss (no valid frame, or its checksums do not match), Unimplemented (a later version), ResourceExhausted
// (a declared size exceeds `limits`; out of memory).
absl::StatusOr<Tensor> Decompress(std::span<const std::byte> frame, const DecodeLimits& limits = {});

// As Decompress, but into memory of the caller, which need not be fresh or set: the fastest way.  `tensor` must have as
// many bytes as the tensor (TensorBytes of ReadFrameSpec); on error its content is unspecified.
// Errors: as Decompress, InvalidArgument (`tensor` has another size).
absl::StatusOr<TensorSpec> DecompressInto(std::span<const std::byte> frame, std::span<std::byte> tensor,
                                          const DecodeLimits& limits = {});

}  // namespace dcac

#endif  // DCAC_CODEC_H_
