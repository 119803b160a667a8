// One Compress or Decompress call from its first request to its checked trailer.
#ifndef DCAC_CLIENT_INTERNAL_TRANSFER_H_
#define DCAC_CLIENT_INTERNAL_TRANSFER_H_

#include "absl/status/statusor.h"
#include "client/internal/chunk_exchange.h"
#include "client/internal/connection.h"
#include "dcac/client.h"

namespace dcac::client::internal {

absl::StatusOr<TransferStats> RunCompress(CompressCall& call, const TensorSpec& spec, const EncodeOptions& options,
                                          ChunkSizes chunk_bytes, const ChunkSource& source, const ChunkSink& sink);

// `header`: its limit holds on this side too.
absl::StatusOr<TransferStats> RunDecompress(DecompressCall& call, const v1::DecompressHeader& header,
                                            ChunkSizes chunk_bytes, const ChunkSource& source,
                                            const SpecSink& spec_sink, const ChunkSink& sink);

}  // namespace dcac::client::internal

#endif  // DCAC_CLIENT_INTERNAL_TRANSFER_H_
