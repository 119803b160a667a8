// What the copies of a Client share.
#ifndef DCAC_CLIENT_INTERNAL_CLIENT_IMPL_H_
#define DCAC_CLIENT_INTERNAL_CLIENT_IMPL_H_

#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/internal/async_executor.h"
#include "client/internal/codec_choice.h"
#include "client/internal/connection.h"
#include "client/internal/remote_calls.h"
#include "client/internal/transfer_ends.h"
#include "dcac/client.h"

namespace dcac::client {

// Sends each call to the codec that it is for.  Thread-safe.
struct Client::Impl {
  // A call that began, on which its time runs.
  struct Call {
    internal::CallContext context;
    Codec codec = Codec::kClient;
  };

  Impl(std::vector<std::unique_ptr<internal::Connection>> connections, const ClientOptions& client_options);

  // Errors: InvalidArgument.
  absl::StatusOr<Call> Begin(const CallOptions& options) const;

  // As those of Client; memory that runs out is ResourceExhausted.
  absl::StatusOr<std::vector<std::byte>> Compress(const Call& call, const TensorSpec& spec,
                                                  std::span<const std::byte> data, const EncodeOptions& options);
  absl::StatusOr<Tensor> Decompress(const Call& call, std::span<const std::byte> frame);
  absl::StatusOr<TensorSpec> DecompressInto(const Call& call, std::span<const std::byte> frame,
                                            std::span<std::byte> tensor);
  absl::StatusOr<TransferStats> CompressStream(const Call& call, const TensorSpec& spec, const EncodeOptions& options,
                                               internal::TransferInput& samples, internal::TransferOutput& frame);
  absl::StatusOr<TransferStats> DecompressStream(const Call& call, internal::TransferInput& frame,
                                                 internal::TransferOutput& samples);

  // Whether input may have to be had again.
  bool KeepsInput(const Call& call) const;

  const ClientOptions options;
  internal::RemoteCalls remote;
  internal::CodecChoice choice;
  internal::AsyncExecutor executor;  // its tasks use all of the others
};

}  // namespace dcac::client

#endif  // DCAC_CLIENT_INTERNAL_CLIENT_IMPL_H_
