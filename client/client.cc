#include "dcac/client.h"

#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/internal/async_call.h"
#include "client/internal/client_impl.h"
#include "client/internal/connection.h"
#include "client/internal/grpc_connection.h"
#include "client/internal/local_codec.h"
#include "client/internal/remote_codec.h"
#include "client/internal/server_info.h"
#include "client/internal/transfer_ends.h"
#include "core/base/out_of_memory.h"
#include "core/base/status_macros.h"
#include "proto/wire/limits.h"

namespace dcac::client {
namespace {

static_assert(ClientOptions::kMaxChunkBytes == wire::kMaxChunkBytes);

template <typename T>
absl::Status CheckRange(const char* name, T value, T min, T max) {
  if (value >= min && value <= max) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(name, " ", value, " is not in ", min, "..", max));
}

absl::Status CheckOptions(const ClientOptions& options) {
  constexpr std::size_t kMaxMessage = std::numeric_limits<int>::max();
  DCAC_RETURN_IF_ERROR(
      CheckRange("chunk_bytes", options.chunk_bytes, std::size_t{1}, std::size_t{ClientOptions::kMaxChunkBytes}));
  DCAC_RETURN_IF_ERROR(
      CheckRange("max_message_bytes", options.max_message_bytes, std::size_t{wire::kMaxMessageBytes}, kMaxMessage));
  DCAC_RETURN_IF_ERROR(CheckRange("connections", options.connections, 1, int{ClientOptions::kMaxConnections}));
  DCAC_RETURN_IF_ERROR(CheckRange("async_threads", options.async_threads, 0, int{ClientOptions::kMaxAsyncThreads}));
  return CheckRange("retry.max_attempts", options.retry.max_attempts, 1, std::numeric_limits<int>::max());
}

std::vector<std::unique_ptr<internal::Connection>> One(std::unique_ptr<internal::Connection> connection) {
  std::vector<std::unique_ptr<internal::Connection>> connections;
  connections.push_back(std::move(connection));
  return connections;
}

ChunkSink SinkOfFd(int fd) {
  return [fd](std::span<const std::byte> bytes) { return internal::WriteAll(fd, bytes); };
}

}  // namespace

absl::StatusOr<Client> Client::Connect(std::string_view targets, const ClientOptions& options) {
  DCAC_RETURN_IF_ERROR(CheckOptions(options));
  DCAC_ASSIGN_OR_RETURN(auto connections, internal::ConnectGrpc(targets, options));
  return Client(std::move(connections), options);
}

Client::Client(std::unique_ptr<internal::Connection> connection, const ClientOptions& options)
    : Client(One(std::move(connection)), options) {}

Client::Client(std::vector<std::unique_ptr<internal::Connection>> connections, const ClientOptions& options)
    : impl_(std::make_shared<Impl>(std::move(connections), options)) {}

Client::Client(const Client&) = default;
Client& Client::operator=(const Client&) = default;
Client::Client(Client&&) noexcept = default;
Client& Client::operator=(Client&&) noexcept = default;
Client::~Client() = default;

absl::StatusOr<std::vector<std::byte>> Client::Compress(const TensorSpec& spec, std::span<const std::byte> data,
                                                        const EncodeOptions& options, const CallOptions& call) const {
  DCAC_ASSIGN_OR_RETURN(const Impl::Call begun, impl_->Begin(call));
  return impl_->Compress(begun, spec, data, options);
}

absl::StatusOr<Tensor> Client::Decompress(std::span<const std::byte> frame, const CallOptions& call) const {
  DCAC_ASSIGN_OR_RETURN(const Impl::Call begun, impl_->Begin(call));
  return impl_->Decompress(begun, frame);
}

absl::StatusOr<TensorSpec> Client::DecompressInto(std::span<const std::byte> frame, std::span<std::byte> tensor,
                                                  const CallOptions& call) const {
  DCAC_ASSIGN_OR_RETURN(const Impl::Call begun, impl_->Begin(call));
  return impl_->DecompressInto(begun, frame, tensor);
}

absl::StatusOr<TransferStats> Client::CompressStream(const TensorSpec& spec, const EncodeOptions& options,
                                                     const ChunkSource& source, const ChunkSink& sink,
                                                     const CallOptions& call) const {
  DCAC_ASSIGN_OR_RETURN(const Impl::Call begun, impl_->Begin(call));
  internal::SourceInput samples(source, impl_->KeepsInput(begun));
  internal::SinkOutput frame(nullptr, sink);
  return impl_->CompressStream(begun, spec, options, samples, frame);
}

absl::StatusOr<TransferStats> Client::DecompressStream(const ChunkSource& source, const SpecSink& spec_sink,
                                                       const ChunkSink& sink, const CallOptions& call) const {
  DCAC_ASSIGN_OR_RETURN(const Impl::Call begun, impl_->Begin(call));
  internal::SourceInput frame(source, impl_->KeepsInput(begun));
  internal::SinkOutput samples(&spec_sink, sink);
  return impl_->DecompressStream(begun, frame, samples);
}

absl::StatusOr<TransferStats> Client::CompressFd(const TensorSpec& spec, const EncodeOptions& options, int input,
                                                 int output, const CallOptions& call) const {
  DCAC_ASSIGN_OR_RETURN(const Impl::Call begun, impl_->Begin(call));
  const ChunkSink sink = SinkOfFd(output);
  internal::FdInput samples(input);
  internal::SinkOutput frame(nullptr, sink);
  return impl_->CompressStream(begun, spec, options, samples, frame);
}

absl::StatusOr<TransferStats> Client::DecompressFd(int input, int output, const CallOptions& call) const {
  DCAC_ASSIGN_OR_RETURN(const Impl::Call begun, impl_->Begin(call));
  const ChunkSink sink = SinkOfFd(output);
  internal::FdInput frame(input);
  internal::SinkOutput samples(nullptr, sink);
  return impl_->DecompressStream(begun, frame, samples);
}

void Client::CompressAsync(const TensorSpec& spec, std::span<const std::byte> data, const EncodeOptions& options,
                           const CallOptions& call, FrameCallback done) const {
  internal::StartCall(*impl_, call, std::move(done),
                      [impl = impl_.get(), spec, data, options](const Impl::Call& begun) {
                        return impl->Compress(begun, spec, data, options);
                      });
}

std::future<absl::StatusOr<std::vector<std::byte>>> Client::CompressAsync(const TensorSpec& spec,
                                                                          std::span<const std::byte> data,
                                                                          const EncodeOptions& options,
                                                                          const CallOptions& call) const {
  auto [future, done] = internal::Promise<std::vector<std::byte>>();
  CompressAsync(spec, data, options, call, std::move(done));
  return std::move(future);
}

void Client::DecompressAsync(std::span<const std::byte> frame, const CallOptions& call, TensorCallback done) const {
  internal::StartCall(*impl_, call, std::move(done),
                      [impl = impl_.get(), frame](const Impl::Call& begun) { return impl->Decompress(begun, frame); });
}

std::future<absl::StatusOr<Tensor>> Client::DecompressAsync(std::span<const std::byte> frame,
                                                            const CallOptions& call) const {
  auto [future, done] = internal::Promise<Tensor>();
  DecompressAsync(frame, call, std::move(done));
  return std::move(future);
}

absl::StatusOr<FrameInfo> Client::Inspect(std::span<const std::byte> frame, const CallOptions& call) const {
  DCAC_ASSIGN_OR_RETURN(const Impl::Call begun, impl_->Begin(call));
  return CatchOutOfMemory([&]() -> absl::StatusOr<FrameInfo> {
    if (begun.codec == Codec::kServer) {
      return internal::RemoteInspect(impl_->remote, begun.context, impl_->options, frame);
    }
    DecodeLimits limits;
    limits.max_tensor_bytes = impl_->options.max_tensor_bytes;
    return dcac::Inspect(frame, limits);
  });
}

std::vector<absl::StatusOr<std::vector<std::byte>>> Client::BatchCompress(std::span<const BatchItem> items,
                                                                          const CallOptions& call) const {
  const absl::StatusOr<Impl::Call> begun = impl_->Begin(call);
  if (!begun.ok()) return std::vector<absl::StatusOr<std::vector<std::byte>>>(items.size(), begun.status());
  if (begun->codec == Codec::kServer) {
    return internal::RemoteBatchCompress(impl_->remote, begun->context, impl_->options, items);
  }
  return internal::LocalBatchCompress(begun->context, items);
}

absl::StatusOr<Capabilities> Client::GetCapabilities(const CallOptions& call) const {
  DCAC_ASSIGN_OR_RETURN(const Impl::Call begun, impl_->Begin(call));
  DCAC_ASSIGN_OR_RETURN(const v1::GetCapabilitiesResponse response, impl_->remote.GetCapabilities(begun.context));
  return internal::FromProto(response);
}

absl::StatusOr<ServerStatus> Client::GetStatus(const CallOptions& call) const {
  DCAC_ASSIGN_OR_RETURN(const Impl::Call begun, impl_->Begin(call));
  DCAC_ASSIGN_OR_RETURN(const v1::GetStatusResponse response, impl_->remote.GetStatus(begun.context));
  return internal::FromProto(response);
}

}  // namespace dcac::client
