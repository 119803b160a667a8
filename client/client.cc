#include "dcac/client.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/internal/connection.h"
#include "client/internal/grpc_connection.h"
#include "client/internal/transfer.h"
#include "core/base/status_macros.h"
#include "proto/wire/limits.h"

namespace dcac::client {
namespace {

static_assert(ClientOptions::kMaxChunkBytes == wire::kMaxChunkBytes);

absl::Status CheckOptions(const ClientOptions& options) {
  if (options.chunk_bytes < 1 || options.chunk_bytes > ClientOptions::kMaxChunkBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("chunk_bytes ", options.chunk_bytes, " is not in 1..", ClientOptions::kMaxChunkBytes));
  }
  if (options.max_message_bytes < wire::kMaxMessageBytes ||
      options.max_message_bytes > std::numeric_limits<int>::max()) {
    return absl::InvalidArgumentError(absl::StrCat("max_message_bytes ", options.max_message_bytes, " is not in ",
                                                   wire::kMaxMessageBytes, "..", std::numeric_limits<int>::max()));
  }
  return absl::OkStatus();
}

// Gives `bytes` once, as a whole.
ChunkSource SpanSource(std::span<const std::byte> bytes) {
  return [bytes, given = false]() mutable -> absl::StatusOr<std::span<const std::byte>> {
    if (std::exchange(given, true)) return std::span<const std::byte>();
    return bytes;
  };
}

// The vector grows with what arrives, whatever size was announced.
ChunkSink VectorSink(std::vector<std::byte>* out) {
  return [out](std::span<const std::byte> bytes) {
    out->insert(out->end(), bytes.begin(), bytes.end());
    return absl::OkStatus();
  };
}

template <typename T, typename Values>
std::vector<T> EnumsFromProto(const Values& values) {
  std::vector<T> result;
  std::ranges::transform(values, std::back_inserter(result), [](int value) { return static_cast<T>(value); });
  return result;
}

}  // namespace

absl::StatusOr<Client> Client::Connect(std::string_view target, const ClientOptions& options) {
  DCAC_RETURN_IF_ERROR(CheckOptions(options));
  DCAC_ASSIGN_OR_RETURN(std::unique_ptr<internal::Connection> connection, internal::ConnectGrpc(target, options));
  return Client(std::move(connection), options);
}

Client::Client(std::unique_ptr<internal::Connection> connection, const ClientOptions& options)
    : connection_(std::move(connection)), options_(options) {}

Client::Client(Client&&) noexcept = default;
Client& Client::operator=(Client&&) noexcept = default;
Client::~Client() = default;

absl::StatusOr<std::vector<std::byte>> Client::Compress(const TensorSpec& spec, std::span<const std::byte> data,
                                                        const EncodeOptions& options) const {
  std::vector<std::byte> frame;
  const absl::StatusOr<TransferStats> stats = CompressStream(spec, options, SpanSource(data), VectorSink(&frame));
  if (!stats.ok()) return stats.status();
  return frame;
}

absl::StatusOr<Tensor> Client::Decompress(std::span<const std::byte> frame) const {
  Tensor tensor;
  const SpecSink spec_sink = [&tensor](const TensorSpec& spec) {
    tensor.spec = spec;
    return absl::OkStatus();
  };
  const absl::StatusOr<TransferStats> stats = DecompressStream(SpanSource(frame), spec_sink, VectorSink(&tensor.data));
  if (!stats.ok()) return stats.status();
  return tensor;
}

absl::StatusOr<TransferStats> Client::CompressStream(const TensorSpec& spec, const EncodeOptions& options,
                                                     const ChunkSource& source, const ChunkSink& sink) const {
  return internal::RunCompress(*connection_->Compress(), spec, options, options_.chunk_bytes, source, sink);
}

absl::StatusOr<TransferStats> Client::DecompressStream(const ChunkSource& source, const SpecSink& spec_sink,
                                                       const ChunkSink& sink) const {
  return internal::RunDecompress(*connection_->Decompress(), options_.max_tensor_bytes, options_.chunk_bytes, source,
                                 spec_sink, sink);
}

absl::StatusOr<Capabilities> Client::GetCapabilities() const {
  const absl::StatusOr<v1::GetCapabilitiesResponse> response = connection_->GetCapabilities();
  if (!response.ok()) return response.status();
  return Capabilities{.server_version = response->server_version(),
                      .dtypes = EnumsFromProto<DType>(response->dtypes()),
                      .layouts = EnumsFromProto<Layout>(response->layouts()),
                      .modes = EnumsFromProto<Mode>(response->modes()),
                      .min_level = response->min_level(),
                      .max_level = response->max_level(),
                      .max_tensor_bytes = response->max_tensor_bytes(),
                      .max_slab_bytes = response->max_slab_bytes(),
                      .max_chunk_bytes = response->max_chunk_bytes(),
                      .max_unanswered_chunks = response->max_unanswered_chunks(),
                      .max_streams = response->max_streams()};
}

}  // namespace dcac::client
