#include "dcac/client.h"

#include <algorithm>
#include <chrono>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/internal/call_metadata.h"
#include "client/internal/connection.h"
#include "client/internal/grpc_connection.h"
#include "client/internal/local_codec.h"
#include "client/internal/remote_calls.h"
#include "client/internal/remote_codec.h"
#include "client/internal/server_info.h"
#include "client/internal/transfer_ends.h"
#include "core/base/status_macros.h"
#include "proto/wire/limits.h"

namespace dcac::client {
namespace {

static_assert(ClientOptions::kMaxChunkBytes == wire::kMaxChunkBytes);

using internal::CallContext;

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

struct Client::Impl {
  Impl(std::vector<std::unique_ptr<internal::Connection>> connections, const ClientOptions& client_options)
      : options(client_options), remote(std::move(connections), options.retry, internal::SystemRetryClock()) {}

  // Errors: InvalidArgument.
  absl::StatusOr<CallContext> Begin(const CallOptions& call) const {
    constexpr std::size_t kMaxTraceparentBytes = 256;
    DCAC_RETURN_IF_ERROR(internal::CheckMetadataValue("traceparent", call.traceparent, kMaxTraceparentBytes));
    CallContext context;
    const std::chrono::milliseconds deadline = call.deadline.value_or(options.deadline);
    if (deadline.count() > 0) context.deadline = std::chrono::steady_clock::now() + deadline;
    context.cancel = call.cancel;
    context.traceparent = call.traceparent;
    return context;
  }

  bool OnServer(const CallOptions& call) const { return call.codec.value_or(options.codec) == Codec::kServer; }

  // Only what goes to a server may have to begin again.
  bool KeepsInput(const CallOptions& call) const { return OnServer(call) && options.retry.max_attempts > 1; }

  absl::StatusOr<TransferStats> Compress(const CallOptions& call, const TensorSpec& spec,
                                         const EncodeOptions& encode_options, internal::TransferInput& samples,
                                         internal::TransferOutput& frame) {
    DCAC_ASSIGN_OR_RETURN(const CallContext context, Begin(call));
    if (!OnServer(call)) return internal::LocalCompress(context, spec, encode_options, samples, frame);
    return internal::RemoteCompress(remote, context, options, spec, encode_options, samples, frame);
  }

  absl::StatusOr<TransferStats> Decompress(const CallOptions& call, internal::TransferInput& frame,
                                           internal::TransferOutput& samples) {
    DCAC_ASSIGN_OR_RETURN(const CallContext context, Begin(call));
    if (!OnServer(call)) return internal::LocalDecompress(context, options.max_tensor_bytes, frame, samples);
    return internal::RemoteDecompress(remote, context, options, frame, samples);
  }

  const ClientOptions options;
  internal::RemoteCalls remote;
};

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
  DCAC_ASSIGN_OR_RETURN(const CallContext context, impl_->Begin(call));
  if (!impl_->OnServer(call)) return internal::LocalCompressMemory(context, spec, options, data);
  Tensor frame;
  internal::VectorOutput output(frame);
  DCAC_RETURN_IF_ERROR(
      internal::RemoteCompressMemory(impl_->remote, context, impl_->options, spec, options, data, output).status());
  return std::move(frame.data);
}

absl::StatusOr<Tensor> Client::Decompress(std::span<const std::byte> frame, const CallOptions& call) const {
  DCAC_ASSIGN_OR_RETURN(const CallContext context, impl_->Begin(call));
  if (!impl_->OnServer(call)) {
    return internal::LocalDecompressMemory(context, impl_->options.max_tensor_bytes, frame);
  }
  Tensor tensor;
  internal::VectorOutput output(tensor);
  DCAC_RETURN_IF_ERROR(
      internal::RemoteDecompressMemory(impl_->remote, context, impl_->options, frame, output).status());
  return tensor;
}

absl::StatusOr<TensorSpec> Client::DecompressInto(std::span<const std::byte> frame, std::span<std::byte> tensor,
                                                  const CallOptions& call) const {
  DCAC_ASSIGN_OR_RETURN(const CallContext context, impl_->Begin(call));
  if (!impl_->OnServer(call)) {
    return internal::LocalDecompressInto(context, impl_->options.max_tensor_bytes, frame, tensor);
  }
  internal::MemoryOutput output(tensor);
  DCAC_ASSIGN_OR_RETURN(TransferStats stats,
                        internal::RemoteDecompressMemory(impl_->remote, context, impl_->options, frame, output));
  return std::move(stats.spec);
}

absl::StatusOr<TransferStats> Client::CompressStream(const TensorSpec& spec, const EncodeOptions& options,
                                                     const ChunkSource& source, const ChunkSink& sink,
                                                     const CallOptions& call) const {
  internal::SourceInput samples(source, impl_->KeepsInput(call));
  internal::SinkOutput frame(nullptr, sink);
  return impl_->Compress(call, spec, options, samples, frame);
}

absl::StatusOr<TransferStats> Client::DecompressStream(const ChunkSource& source, const SpecSink& spec_sink,
                                                       const ChunkSink& sink, const CallOptions& call) const {
  internal::SourceInput frame(source, impl_->KeepsInput(call));
  internal::SinkOutput samples(&spec_sink, sink);
  return impl_->Decompress(call, frame, samples);
}

absl::StatusOr<TransferStats> Client::CompressFd(const TensorSpec& spec, const EncodeOptions& options, int input,
                                                 int output, const CallOptions& call) const {
  const ChunkSink sink = SinkOfFd(output);
  internal::FdInput samples(input);
  internal::SinkOutput frame(nullptr, sink);
  return impl_->Compress(call, spec, options, samples, frame);
}

absl::StatusOr<TransferStats> Client::DecompressFd(int input, int output, const CallOptions& call) const {
  const ChunkSink sink = SinkOfFd(output);
  internal::FdInput frame(input);
  internal::SinkOutput samples(nullptr, sink);
  return impl_->Decompress(call, frame, samples);
}

absl::StatusOr<FrameInfo> Client::Inspect(std::span<const std::byte> frame, const CallOptions& call) const {
  DCAC_ASSIGN_OR_RETURN(const CallContext context, impl_->Begin(call));
  if (impl_->OnServer(call)) return internal::RemoteInspect(impl_->remote, context, impl_->options, frame);
  DecodeLimits limits;
  limits.max_tensor_bytes = impl_->options.max_tensor_bytes;
  return dcac::Inspect(frame, limits);
}

std::vector<absl::StatusOr<std::vector<std::byte>>> Client::BatchCompress(std::span<const BatchItem> items,
                                                                          const CallOptions& call) const {
  const absl::StatusOr<CallContext> context = impl_->Begin(call);
  if (!context.ok()) return std::vector<absl::StatusOr<std::vector<std::byte>>>(items.size(), context.status());
  if (!impl_->OnServer(call)) return internal::LocalBatchCompress(*context, items);
  return internal::RemoteBatchCompress(impl_->remote, *context, impl_->options, items);
}

absl::StatusOr<Capabilities> Client::GetCapabilities(const CallOptions& call) const {
  DCAC_ASSIGN_OR_RETURN(const CallContext context, impl_->Begin(call));
  DCAC_ASSIGN_OR_RETURN(const v1::GetCapabilitiesResponse response, impl_->remote.GetCapabilities(context));
  return internal::FromProto(response);
}

absl::StatusOr<ServerStatus> Client::GetStatus(const CallOptions& call) const {
  DCAC_ASSIGN_OR_RETURN(const CallContext context, impl_->Begin(call));
  DCAC_ASSIGN_OR_RETURN(const v1::GetStatusResponse response, impl_->remote.GetStatus(context));
  return internal::FromProto(response);
}

}  // namespace dcac::client
