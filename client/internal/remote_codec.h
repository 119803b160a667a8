// Tensors that servers compress and restore.
#ifndef DCAC_CLIENT_INTERNAL_REMOTE_CODEC_H_
#define DCAC_CLIENT_INTERNAL_REMOTE_CODEC_H_

#include <cstddef>
#include <span>

#include "absl/status/statusor.h"
#include "client/internal/connection.h"
#include "client/internal/remote_calls.h"
#include "client/internal/transfer_ends.h"
#include "dcac/client.h"

namespace dcac::client::internal {

// Over streams.
absl::StatusOr<TransferStats> RemoteCompress(RemoteCalls& calls, const CallContext& call, const ClientOptions& client,
                                             const TensorSpec& spec, const EncodeOptions& options,
                                             TransferInput& samples, TransferOutput& frame);
absl::StatusOr<TransferStats> RemoteDecompress(RemoteCalls& calls, const CallContext& call, const ClientOptions& client,
                                               TransferInput& frame, TransferOutput& samples);

// In one message where the servers take it, over streams otherwise.
absl::StatusOr<TransferStats> RemoteCompressMemory(RemoteCalls& calls, const CallContext& call,
                                                   const ClientOptions& client, const TensorSpec& spec,
                                                   const EncodeOptions& options, std::span<const std::byte> samples,
                                                   TransferOutput& frame);
absl::StatusOr<TransferStats> RemoteDecompressMemory(RemoteCalls& calls, const CallContext& call,
                                                     const ClientOptions& client, std::span<const std::byte> frame,
                                                     TransferOutput& samples);

absl::StatusOr<FrameInfo> RemoteInspect(RemoteCalls& calls, const CallContext& call, const ClientOptions& client,
                                        std::span<const std::byte> frame);

std::vector<absl::StatusOr<std::vector<std::byte>>> RemoteBatchCompress(RemoteCalls& calls, const CallContext& call,
                                                                        const ClientOptions& client,
                                                                        std::span<const BatchItem> items);

}  // namespace dcac::client::internal

#endif  // DCAC_CLIENT_INTERNAL_REMOTE_CODEC_H_
