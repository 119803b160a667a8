// Tensors that are compressed and restored in this process.
#ifndef DCAC_CLIENT_INTERNAL_LOCAL_CODEC_H_
#define DCAC_CLIENT_INTERNAL_LOCAL_CODEC_H_

#include <cstddef>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "client/internal/connection.h"
#include "client/internal/transfer_ends.h"
#include "dcac/client.h"

namespace dcac::client::internal {

// All of these end within one segment's work when the call is cancelled.  Its deadline is looked at before each piece
// of input, but not while a tensor in memory is worked on.
absl::StatusOr<TransferStats> LocalCompress(const CallContext& call, const TensorSpec& spec,
                                            const EncodeOptions& options, TransferInput& samples,
                                            TransferOutput& frame);
absl::StatusOr<TransferStats> LocalDecompress(const CallContext& call, std::uint64_t max_tensor_bytes,
                                              TransferInput& frame, TransferOutput& samples);

// Without a copy of what is in memory already.
absl::StatusOr<std::vector<std::byte>> LocalCompressMemory(const CallContext& call, const TensorSpec& spec,
                                                           const EncodeOptions& options,
                                                           std::span<const std::byte> samples);
absl::StatusOr<Tensor> LocalDecompressMemory(const CallContext& call, std::uint64_t max_tensor_bytes,
                                             std::span<const std::byte> frame);
absl::StatusOr<TensorSpec> LocalDecompressInto(const CallContext& call, std::uint64_t max_tensor_bytes,
                                               std::span<const std::byte> frame, std::span<std::byte> samples);

// Several at a time.
std::vector<absl::StatusOr<std::vector<std::byte>>> LocalBatchCompress(const CallContext& call,
                                                                       std::span<const BatchItem> items);

}  // namespace dcac::client::internal

#endif  // DCAC_CLIENT_INTERNAL_LOCAL_CODEC_H_
