// What the copies of a Client share.
#ifndef DCAC_CLIENT_INTERNAL_CLIENT_IMPL_H_
#define DCAC_CLIENT_INTERNAL_CLIENT_IMPL_H_

#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/internal/async_executor.h"
#include "client/internal/codec_choice.h"
#include "client/internal/connection.h"
#include "client/internal/remote_calls.h"
#include "client/internal/transfer_ends.h"
#include "dcac/client.h"
#include "dcac/client_store.h"

namespace dcac::client {

namespace internal {

struct FrameOfObject {
  StoredObject object;
  std::vector<std::byte> frame;
};

}  // namespace internal

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

  // Of the store: as those of Store.
  absl::StatusOr<StoredObject> Put(const Call& call, std::string_view key, const TensorSpec& spec,
                                   std::span<const std::byte> data, const PutOptions& put_options);
  absl::StatusOr<StoredObject> PutStream(const Call& call, std::string_view key, const TensorSpec& spec,
                                         const ChunkSource& source, const PutOptions& put_options);
  std::vector<absl::StatusOr<StoredObject>> BatchPut(const Call& call, std::span<const PutItem> items);
  absl::StatusOr<StoredTensor> Get(const Call& call, std::string_view key, const GetOptions& get_options);
  absl::StatusOr<GotTensor> GetInto(const Call& call, std::string_view key, std::span<std::byte> tensor,
                                    const GetOptions& get_options);
  absl::StatusOr<GotTensor> GetStream(const Call& call, std::string_view key, const SpecSink& spec_sink,
                                      const ChunkSink& sink, const GetOptions& get_options);
  std::vector<absl::StatusOr<StoredTensor>> BatchGet(const Call& call, std::span<const std::string> keys);
  absl::Status ReadStored(const Call& call, const StoredObject& object, std::uint64_t offset, std::span<std::byte> out);
  absl::StatusOr<StoredObject> Stat(const Call& call, std::string_view key);

  // What Get and its like consist of: a whole tensor as it is stored; the samples of a tensor or a slice.
  absl::StatusOr<internal::FrameOfObject> GetFrame(const Call& call, std::string_view key,
                                                   const GetOptions& get_options);
  absl::StatusOr<GotTensor> GetSamples(const Call& call, std::string_view key, const GetOptions& get_options,
                                       internal::TransferOutput& output);

  // Whether input may have to be had again.
  bool KeepsInput(const Call& call) const;

  const ClientOptions options;
  internal::RemoteCalls remote;
  internal::CodecChoice choice;
  internal::AsyncExecutor executor;  // its tasks use all of the others
};

}  // namespace dcac::client

#endif  // DCAC_CLIENT_INTERNAL_CLIENT_IMPL_H_
