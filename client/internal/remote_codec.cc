#include "client/internal/remote_codec.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/internal/batch.h"
#include "client/internal/inspect.h"
#include "client/internal/transfer.h"
#include "core/base/status_macros.h"
#include "dcac/slice.h"
#include "proto/wire/convert.h"
#include "proto/wire/limits.h"

namespace dcac::client::internal {
namespace {

// A frame is hardly larger than its tensor: as the contract allows for.
constexpr std::uint64_t kUnaryFrameOverhead = 64u << 10;

bool Always() {
  return true;
}

// Runs `run_once` on connections, with the two ends of the transfer, until it succeeds or cannot begin again.
template <typename RunOnce>
absl::StatusOr<TransferStats> RunTransfer(RemoteCalls& calls, const CallContext& call, TransferInput& input,
                                          TransferOutput& output, RunOnce run_once) {
  bool local_error = false;  // an error of the caller's own code, whatever its code
  const auto noted = [&local_error](absl::Status status) {
    local_error = local_error || !status.ok();
    return status;
  };
  const ChunkSource source = [&] {
    absl::StatusOr<std::span<const std::byte>> bytes = input.Next();
    noted(bytes.status()).IgnoreError();
    return bytes;
  };
  const SpecSink spec_sink = [&](const TensorSpec& spec) { return noted(output.Begin(spec)); };
  const ChunkSink sink = [&](std::span<const std::byte> bytes) { return noted(output.Take(bytes)); };
  absl::StatusOr<TransferStats> stats;
  DCAC_RETURN_IF_ERROR(calls.Run(
      call,
      [&](Connection& connection) {
        stats = run_once(connection, source, spec_sink, sink);
        return stats.status();
      },
      [&] { return !local_error && input.Rewind() && output.Rewind(); }));
  return stats;
}

absl::Status CheckDigest(const std::string& digest, const Digest& expected) {
  if (digest == wire::ToProto(expected)) return absl::OkStatus();
  return absl::DataLossError("digest of the tensor differs from the response's");
}

// Checks what a server restored as one message, and gives it to `samples`.
absl::StatusOr<TransferStats> TakeTensor(const v1::DecompressTensorResponse& response, std::uint64_t max_tensor_bytes,
                                         std::size_t frame_bytes, TransferOutput& samples) {
  const absl::StatusOr<TensorSpec> spec = wire::FromProto(response.spec());
  if (!spec.ok()) return absl::InternalError(absl::StrCat("server: ", spec.status().message()));
  const std::span<const std::byte> data = wire::AsBytes(response.data());
  if (data.size() > max_tensor_bytes) {
    return absl::ResourceExhaustedError(
        absl::StrCat("tensor of ", data.size(), " bytes exceeds max_tensor_bytes ", max_tensor_bytes));
  }
  if (TensorBytes(*spec).value_or(~std::uint64_t{0}) != data.size()) {
    return absl::DataLossError(
        absl::StrCat("the server sent ", data.size(), " bytes for a tensor of shape ", ShapeToString(spec->shape)));
  }
  const Digest digest = ComputeDigest(data);
  DCAC_RETURN_IF_ERROR(CheckDigest(response.digest(), digest));
  DCAC_RETURN_IF_ERROR(samples.Begin(*spec));
  DCAC_RETURN_IF_ERROR(samples.Take(data));
  return TransferStats{.raw_bytes = data.size(), .frame_bytes = frame_bytes, .digest = digest, .spec = *spec};
}

// Bytes of the tensor of `frame`, as its header says; nothing where that cannot be read.
std::optional<std::uint64_t> ClaimedTensorBytes(std::span<const std::byte> frame) {
  const absl::StatusOr<TensorSpec> spec = ReadFrameSpec(AccessMemory(frame));
  if (!spec.ok()) return std::nullopt;
  const absl::StatusOr<std::uint64_t> bytes = TensorBytes(*spec);
  if (!bytes.ok()) return std::nullopt;
  return *bytes;
}

void SetBytes(std::span<const std::byte> bytes, std::string* field) {
  field->assign(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

}  // namespace

absl::StatusOr<TransferStats> RemoteCompress(RemoteCalls& calls, const CallContext& call, const ClientOptions& client,
                                             const TensorSpec& spec, const EncodeOptions& options,
                                             TransferInput& samples, TransferOutput& frame) {
  return RunTransfer(calls, call, samples, frame,
                     [&](Connection& connection, const ChunkSource& source, const SpecSink&, const ChunkSink& sink) {
                       return RunCompress(*connection.Compress(call), spec, options,
                                          calls.SizesOfChunks(client.chunk_bytes), source, sink);
                     });
}

absl::StatusOr<TransferStats> RemoteDecompress(RemoteCalls& calls, const CallContext& call, const ClientOptions& client,
                                               TransferInput& frame, TransferOutput& samples) {
  v1::DecompressHeader header;
  header.set_max_tensor_bytes(client.max_tensor_bytes);
  header.set_stored_bytes(frame.size().value_or(0));
  return RunTransfer(
      calls, call, frame, samples,
      [&](Connection& connection, const ChunkSource& source, const SpecSink& spec_sink, const ChunkSink& sink) {
        return RunDecompress(*connection.Decompress(call), header, calls.SizesOfChunks(client.chunk_bytes), source,
                             spec_sink, sink);
      });
}

absl::StatusOr<TransferStats> RemoteCompressMemory(RemoteCalls& calls, const CallContext& call,
                                                   const ClientOptions& client, const TensorSpec& spec,
                                                   const EncodeOptions& options, std::span<const std::byte> samples,
                                                   TransferOutput& frame) {
  std::uint64_t max_unary_bytes = 0;
  if (samples.size() <= wire::kMaxUnaryBytes) {
    DCAC_ASSIGN_OR_RETURN(max_unary_bytes, calls.MaxUnaryBytes(call));
  }
  if (samples.size() > max_unary_bytes || max_unary_bytes == 0) {
    MemoryInput input(samples);
    return RemoteCompress(calls, call, client, spec, options, input, frame);
  }
  v1::CompressTensorRequest request;
  const Digest digest = ComputeDigest(samples);
  wire::ToProto(spec, request.mutable_spec());
  wire::ToProto(options, request.mutable_options());
  SetBytes(samples, request.mutable_data());
  request.set_digest(wire::ToProto(digest));
  absl::StatusOr<v1::CompressTensorResponse> response;
  DCAC_RETURN_IF_ERROR(calls.Run(
      call,
      [&](Connection& connection) {
        response = connection.CompressTensor(call, request);
        return response.status();
      },
      Always));
  DCAC_RETURN_IF_ERROR(CheckDigest(response->digest(), digest));
  DCAC_RETURN_IF_ERROR(frame.Take(wire::AsBytes(response->frame())));
  return TransferStats{
      .raw_bytes = samples.size(), .frame_bytes = response->frame().size(), .digest = digest, .spec = spec};
}

absl::StatusOr<TransferStats> RemoteDecompressMemory(RemoteCalls& calls, const CallContext& call,
                                                     const ClientOptions& client, std::span<const std::byte> frame,
                                                     TransferOutput& samples) {
  const std::optional<std::uint64_t> claimed =
      frame.size() <= wire::kMaxUnaryBytes + kUnaryFrameOverhead ? ClaimedTensorBytes(frame) : std::nullopt;
  std::uint64_t max_unary_bytes = 0;
  if (claimed && *claimed <= wire::kMaxUnaryBytes) {
    DCAC_ASSIGN_OR_RETURN(max_unary_bytes, calls.MaxUnaryBytes(call));
  }
  if (max_unary_bytes == 0 || *claimed > max_unary_bytes || frame.size() > max_unary_bytes + kUnaryFrameOverhead) {
    MemoryInput input(frame);
    return RemoteDecompress(calls, call, client, input, samples);
  }
  v1::DecompressTensorRequest request;
  SetBytes(frame, request.mutable_frame());
  request.set_max_tensor_bytes(client.max_tensor_bytes);
  absl::StatusOr<v1::DecompressTensorResponse> response;
  DCAC_RETURN_IF_ERROR(calls.Run(
      call,
      [&](Connection& connection) {
        response = connection.DecompressTensor(call, request);
        return response.status();
      },
      Always));
  return TakeTensor(*response, client.max_tensor_bytes, frame.size(), samples);
}

absl::StatusOr<FrameInfo> RemoteInspect(RemoteCalls& calls, const CallContext& call, const ClientOptions& client,
                                        std::span<const std::byte> frame) {
  absl::StatusOr<FrameInfo> info;
  DCAC_RETURN_IF_ERROR(calls.Run(
      call,
      [&](Connection& connection) {
        MemoryInput input(frame);
        info = RunInspect(*connection.Inspect(call), client.chunk_bytes, [&input] { return input.Next(); });
        return info.status();
      },
      Always));
  return info;
}

std::vector<absl::StatusOr<std::vector<std::byte>>> RemoteBatchCompress(RemoteCalls& calls, const CallContext& call,
                                                                        const ClientOptions& client,
                                                                        std::span<const BatchItem> items) {
  Batch batch(items);
  absl::Status status;
  if (!batch.done()) {
    status = calls.Run(
        call, [&](Connection& connection) { return batch.Run(*connection.BatchCompress(call)); }, Always);
  }
  for (const std::size_t i : batch.large()) {
    Tensor frame;
    VectorOutput output(frame);
    const absl::StatusOr<TransferStats> stats =
        RemoteCompressMemory(calls, call, client, items[i].spec, items[i].options, items[i].data, output);
    batch.Set(i, stats.ok() ? Batch::Result(std::move(frame.data)) : stats.status());
  }
  return std::move(batch).Take(status);
}

}  // namespace dcac::client::internal
