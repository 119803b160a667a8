#include "client/loadgen/client_caller.h"

#include <utility>
#include <vector>

#include "core/base/status_macros.h"

namespace dcac::loadgen {
namespace {

// Gives `bytes` once, as a whole.
client::ChunkSource SpanSource(std::span<const std::byte> bytes) {
  return [bytes, given = false]() mutable -> absl::StatusOr<std::span<const std::byte>> {
    return std::exchange(given, true) ? std::span<const std::byte>() : bytes;
  };
}

class AutoCaller final : public Caller {
 public:
  AutoCaller(client::Client client, const EncodeOptions& options) : client_(std::move(client)), options_(options) {}

  absl::Status Compress(const Tensor& tensor, const ByteTaker& frame) override {
    DCAC_ASSIGN_OR_RETURN(const std::vector<std::byte> bytes, client_.Compress(tensor.spec, tensor.data, options_));
    return frame(bytes);
  }

  absl::Status Decompress(std::span<const std::byte> frame, const ByteTaker& samples) override {
    DCAC_ASSIGN_OR_RETURN(const Tensor tensor, client_.Decompress(frame));
    return samples(tensor.data);
  }

 private:
  const client::Client client_;
  const EncodeOptions options_;
};

class StreamCaller final : public Caller {
 public:
  StreamCaller(client::Client client, const EncodeOptions& options) : client_(std::move(client)), options_(options) {}

  absl::Status Compress(const Tensor& tensor, const ByteTaker& frame) override {
    return client_.CompressStream(tensor.spec, options_, SpanSource(tensor.data), frame).status();
  }

  absl::Status Decompress(std::span<const std::byte> frame, const ByteTaker& samples) override {
    const client::SpecSink any_spec = [](const TensorSpec&) { return absl::OkStatus(); };
    return client_.DecompressStream(SpanSource(frame), any_spec, samples).status();
  }

 private:
  const client::Client client_;
  const EncodeOptions options_;
};

}  // namespace

std::unique_ptr<Caller> MakeClientCaller(client::Client client, const EncodeOptions& options, Transport transport) {
  if (transport == Transport::kStream) return std::make_unique<StreamCaller>(std::move(client), options);
  return std::make_unique<AutoCaller>(std::move(client), options);
}

}  // namespace dcac::loadgen
