#include <cstddef>
#include <span>
#include <utility>
#include <vector>

#include "client/cli/frame_coder.h"
#include "client/cli/report.h"
#include "client/cli/server_client.h"
#include "core/base/status_macros.h"
#include "dcac/client.h"

namespace dcac::cli {
namespace {

// Runs a transfer between a source and a sink, and tells errors of these two from errors of the server.
class Transfer {
 public:
  Transfer(files::ByteSource& source, files::ByteSink& sink)
      : source_(source), sink_(sink), chunk_(files::kChunkBytes) {}

  client::ChunkSource chunk_source() {
    return [this]() -> absl::StatusOr<std::span<const std::byte>> {
      absl::StatusOr<std::size_t> n = source_.Read(chunk_);
      if (!n.ok()) return Local(n.status());
      return std::span<const std::byte>(chunk_).first(*n);
    };
  }

  client::ChunkSink chunk_sink() {
    return [this](std::span<const std::byte> data) { return Local(sink_.Write(data)); };
  }

  client::SpecSink spec_sink(const FrameCoder::SpecSink& sink) {
    return [this, sink](const TensorSpec& spec) { return Local(sink(spec)); };
  }

  absl::Status Outcome(const absl::StatusOr<client::TransferStats>& stats) {
    if (!local_error_.ok()) return local_error_;
    return MarkFromServer(stats.status());
  }

 private:
  absl::Status Local(absl::Status status) {
    if (!status.ok()) local_error_ = status;
    return status;
  }

  files::ByteSource& source_;
  files::ByteSink& sink_;
  std::vector<std::byte> chunk_;
  absl::Status local_error_;
};

class ServerFrameCoder final : public FrameCoder {
 public:
  explicit ServerFrameCoder(client::Client client) : client_(std::move(client)) {}

  absl::Status Encode(const TensorSpec& spec, const EncodeOptions& options, files::ByteSource& samples,
                      files::ByteSink& frame) override {
    Transfer transfer(samples, frame);
    return transfer.Outcome(client_.CompressStream(spec, options, transfer.chunk_source(), transfer.chunk_sink()));
  }

  absl::Status Decode(files::ByteSource& frame, const SpecSink& spec_sink, files::ByteSink& samples) override {
    Transfer transfer(frame, samples);
    return transfer.Outcome(
        client_.DecompressStream(transfer.chunk_source(), transfer.spec_sink(spec_sink), transfer.chunk_sink()));
  }

  absl::StatusOr<FrameInfo> Inspect(const FrameAccess& frame) override {
    // Servers take no larger ones, and the parts of one that tell are small.
    constexpr std::uint64_t kMaxSentBytes = 64u << 20;
    if (frame.frame_bytes > kMaxSentBytes) return dcac::Inspect(frame);
    std::vector<std::byte> bytes(frame.frame_bytes);
    DCAC_RETURN_IF_ERROR(frame.read(0, bytes));
    absl::StatusOr<FrameInfo> info = client_.Inspect(bytes);
    if (!info.ok()) return MarkFromServer(info.status());
    return info;
  }

 private:
  client::Client client_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<FrameCoder>> MakeServerFrameCoder(const ServerOptions& server) {
  DCAC_ASSIGN_OR_RETURN(client::Client client, ConnectToServer(server));
  return std::make_unique<ServerFrameCoder>(std::move(client));
}

}  // namespace dcac::cli
