#include "client/internal/client_impl.h"

#include <algorithm>
#include <chrono>
#include <thread>
#include <utility>

#include "client/internal/call_metadata.h"
#include "client/internal/local_codec.h"
#include "client/internal/remote_codec.h"
#include "core/base/out_of_memory.h"
#include "core/base/status_macros.h"
#include "dcac/slice.h"

namespace dcac::client {
namespace {

using internal::CallContext;
using internal::CallKind;

// Deadlines as far away as this are none; clocks cannot count to all that there are.
constexpr std::chrono::hours kForever{24 * 365 * 10};

int AsyncThreads(const ClientOptions& options) {
  if (options.async_threads > 0) return options.async_threads;
  return static_cast<int>(std::clamp(std::thread::hardware_concurrency(), 1u, 64u));
}

CallKind CompressKind(const TensorSpec& spec, const EncodeOptions& options) {
  const absl::StatusOr<std::uint64_t> bytes = TensorBytes(spec);
  return {.compresses = true, .dtype = spec.dtype, .level = options.level, .bytes = bytes.value_or(0)};
}

// Of a frame in memory; what its header does not tell stays unknown.
CallKind DecompressKind(std::span<const std::byte> frame) {
  const absl::StatusOr<TensorSpec> spec = ReadFrameSpec(AccessMemory(frame));
  if (!spec.ok()) return {};
  return {.compresses = false, .dtype = spec->dtype, .level = 0, .bytes = TensorBytes(*spec).value_or(0)};
}

// Whether this process can do what a server could not: not if the server refuses who asks, or what is asked for.
bool MayBeDoneHere(const absl::Status& status) {
  return status.code() == absl::StatusCode::kUnavailable || status.code() == absl::StatusCode::kCancelled ||
         status.code() == absl::StatusCode::kResourceExhausted;
}

std::uint64_t RawBytes(const std::vector<std::byte>&, const CallKind& kind) {
  return kind.bytes.value_or(0);
}
std::uint64_t RawBytes(const Tensor& tensor, const CallKind&) {
  return tensor.data.size();
}
std::uint64_t RawBytes(const TensorSpec& spec, const CallKind&) {
  return TensorBytes(spec).value_or(0);
}
std::uint64_t RawBytes(const TransferStats& stats, const CallKind&) {
  return stats.raw_bytes;
}

// Lets `choice` say where a call runs, and tells it what came of that.  What a server fails to do is done here, if the
// call can begin again.
template <typename Local, typename Remote>
auto RunAuto(internal::CodecChoice& choice, const CallKind& kind, const CallContext& context, Local local,
             Remote remote, const std::function<bool()>& rewind) -> decltype(local(context)) {
  const Codec place = choice.Choose(kind);
  CallContext once = context;
  once.repeats = false;
  const auto start = std::chrono::steady_clock::now();
  auto result = place == Codec::kServer ? remote(once) : local(context);
  if (result.ok()) {
    choice.Record(kind, place, RawBytes(*result, kind), std::chrono::steady_clock::now() - start);
    return result;
  }
  if (place == Codec::kClient || !MayBeDoneHere(result.status()) || context.cancel.cancelled() || !rewind()) {
    return result;
  }
  choice.RecordFailure(kind);
  return local(context);
}

// Runs `local` or `remote`, as the call says.  `kind()` is asked for only where it matters.
template <typename Kind, typename Local, typename Remote>
auto Route(internal::CodecChoice& choice, Codec codec, const CallContext& context, Kind kind, Local local,
           Remote remote, const std::function<bool()>& rewind) -> decltype(local(context)) {
  return CatchOutOfMemory([&]() -> decltype(local(context)) {
    switch (codec) {
      case Codec::kClient:
        return local(context);
      case Codec::kServer:
        return remote(context);
      case Codec::kAuto:
        break;
    }
    return RunAuto(choice, kind(), context, local, remote, rewind);
  });
}

bool Always() {
  return true;
}

}  // namespace

Client::Impl::Impl(std::vector<std::unique_ptr<internal::Connection>> connections, const ClientOptions& client_options)
    : options(client_options),
      remote(std::move(connections), options.retry, internal::SystemRetryClock()),
      executor(AsyncThreads(options), options.max_async_calls) {}

absl::StatusOr<Client::Impl::Call> Client::Impl::Begin(const CallOptions& call) const {
  constexpr std::size_t kMaxTraceparentBytes = 256;
  DCAC_RETURN_IF_ERROR(internal::CheckMetadataValue("traceparent", call.traceparent, kMaxTraceparentBytes));
  CallContext context;
  const std::chrono::milliseconds deadline = call.deadline.value_or(options.deadline);
  if (deadline.count() > 0 && deadline < kForever) context.deadline = std::chrono::steady_clock::now() + deadline;
  context.cancel = call.cancel;
  context.traceparent = call.traceparent;
  return Call{std::move(context), call.codec.value_or(options.codec)};
}

absl::StatusOr<std::vector<std::byte>> Client::Impl::Compress(const Call& call, const TensorSpec& spec,
                                                              std::span<const std::byte> data,
                                                              const EncodeOptions& encode_options) {
  using Result = absl::StatusOr<std::vector<std::byte>>;
  return Route(
      choice, call.codec, call.context, [&] { return CompressKind(spec, encode_options); },
      [&](const CallContext& context) { return internal::LocalCompressMemory(context, spec, encode_options, data); },
      [&](const CallContext& context) -> Result {
        Tensor frame;
        internal::VectorOutput output(frame);
        DCAC_RETURN_IF_ERROR(
            internal::RemoteCompressMemory(remote, context, options, spec, encode_options, data, output).status());
        return std::move(frame.data);
      },
      Always);
}

absl::StatusOr<Tensor> Client::Impl::Decompress(const Call& call, std::span<const std::byte> frame) {
  return Route(
      choice, call.codec, call.context, [&] { return DecompressKind(frame); },
      [&](const CallContext& context) {
        return internal::LocalDecompressMemory(context, options.max_tensor_bytes, frame);
      },
      [&](const CallContext& context) -> absl::StatusOr<Tensor> {
        Tensor tensor;
        internal::VectorOutput output(tensor);
        DCAC_RETURN_IF_ERROR(internal::RemoteDecompressMemory(remote, context, options, frame, output).status());
        return tensor;
      },
      Always);
}

absl::StatusOr<TensorSpec> Client::Impl::DecompressInto(const Call& call, std::span<const std::byte> frame,
                                                        std::span<std::byte> tensor) {
  return Route(
      choice, call.codec, call.context, [&] { return DecompressKind(frame); },
      [&](const CallContext& context) {
        return internal::LocalDecompressInto(context, options.max_tensor_bytes, frame, tensor);
      },
      [&](const CallContext& context) -> absl::StatusOr<TensorSpec> {
        internal::MemoryOutput output(tensor);
        DCAC_ASSIGN_OR_RETURN(TransferStats stats,
                              internal::RemoteDecompressMemory(remote, context, options, frame, output));
        return std::move(stats.spec);
      },
      Always);
}

absl::StatusOr<TransferStats> Client::Impl::CompressStream(const Call& call, const TensorSpec& spec,
                                                           const EncodeOptions& encode_options,
                                                           internal::TransferInput& samples,
                                                           internal::TransferOutput& frame) {
  return Route(
      choice, call.codec, call.context, [&] { return CompressKind(spec, encode_options); },
      [&](const CallContext& context) {
        return internal::LocalCompress(context, spec, encode_options, samples, frame);
      },
      [&](const CallContext& context) {
        return internal::RemoteCompress(remote, context, options, spec, encode_options, samples, frame);
      },
      [&] { return samples.Rewind() && frame.Rewind(); });
}

absl::StatusOr<TransferStats> Client::Impl::DecompressStream(const Call& call, internal::TransferInput& frame,
                                                             internal::TransferOutput& samples) {
  return Route(
      choice, call.codec, call.context, [] { return CallKind(); },
      [&](const CallContext& context) {
        return internal::LocalDecompress(context, options.max_tensor_bytes, frame, samples);
      },
      [&](const CallContext& context) { return internal::RemoteDecompress(remote, context, options, frame, samples); },
      [&] { return frame.Rewind() && samples.Rewind(); });
}

bool Client::Impl::KeepsInput(const Call& call) const {
  return call.codec == Codec::kAuto || (call.codec == Codec::kServer && options.retry.max_attempts > 1);
}

}  // namespace dcac::client
