// Client of a dcac-server: compresses and decompresses tensors there instead of in this process.
//
// This header is all a user needs; it shows no type of the transport.  Frames are the same bytes as dcac::Compress
// gives with the same options.  Nothing here prints, exits or throws.
#ifndef DCAC_CLIENT_H_
#define DCAC_CLIENT_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "dcac/frame_info.h"
#include "dcac/options.h"
#include "dcac/tensor.h"

namespace dcac::client {

namespace internal {
class Connection;
}  // namespace internal

struct ClientOptions {
  static constexpr std::size_t kMaxChunkBytes = 1u << 20;

  std::chrono::milliseconds connect_timeout{5000};          // of Connect
  std::chrono::milliseconds deadline{0};                    // of each call as a whole; 0 = none
  std::size_t chunk_bytes = 256u << 10;                     // sent in one message, 1 .. kMaxChunkBytes
  std::size_t max_message_bytes = 8u << 20;                 // largest message that is received
  std::uint64_t max_tensor_bytes = std::uint64_t{1} << 40;  // Decompress and DecompressStream: largest tensor accepted
};

// What a stream moved.  `digest` is of the tensor's bytes; it was checked at both ends.
struct TransferStats {
  std::uint64_t raw_bytes = 0;    // of the tensor
  std::uint64_t frame_bytes = 0;  // of the frame
  Digest digest{};
};

// What a server can do and how much it accepts.
struct Capabilities {
  std::string server_version;
  std::vector<DType> dtypes;
  std::vector<Layout> layouts;
  std::vector<Mode> modes;
  int min_level = 0;
  int max_level = 0;
  std::uint64_t max_tensor_bytes = 0;
  std::uint64_t max_slab_bytes = 0;
  std::uint64_t max_chunk_bytes = 0;
  std::uint64_t max_unanswered_chunks = 0;
  std::uint64_t max_streams = 0;
};

// Gives the next bytes of the input, any number of them; an empty span is the end.  The bytes must live until the next
// call.  An error ends the transfer and is returned from it.
using ChunkSource = std::function<absl::StatusOr<std::span<const std::byte>>()>;

// Takes the next bytes of the output; they live until it returns.  An error ends the transfer and is returned from it.
using ChunkSink = std::function<absl::Status(std::span<const std::byte>)>;

// Takes the spec of the tensor, once, before its first bytes.
using SpecSink = std::function<absl::Status(const TensorSpec&)>;

// A connection to one server.  Calls may run concurrently on one object.  Sources and sinks are called on the thread of
// the call, one at a time.  Output that a sink got is valid only when the call returned OK: byte counts and digest are
// checked at the end.  All calls are idempotent: after an error they may be repeated as they are.
//
// Errors of every call: Unavailable (server unreachable or shutting down: try again), DeadlineExceeded, Cancelled,
// ResourceExhausted (a limit of the server, or of ClientOptions), DataLoss (what arrived does not match its digest or
// count), Internal (the server broke the protocol).
class Client {
 public:
  // Connects to `target`: unix:PATH, HOST:PORT, ipv4:ADDRESS:PORT or dns:///HOST:PORT.
  // Errors: InvalidArgument (options), Unavailable (no healthy server answered within options.connect_timeout).
  static absl::StatusOr<Client> Connect(std::string_view target, const ClientOptions& options = {});

  // For tests: on a connection of the caller's.
  Client(std::unique_ptr<internal::Connection> connection, const ClientOptions& options);

  Client(Client&&) noexcept;
  Client& operator=(Client&&) noexcept;
  ~Client();

  // Compresses `data`, the samples of a tensor of `spec`, into one frame.
  // Errors: as above; InvalidArgument (spec or option out of range; `data` is not TensorBytes(spec) long).
  absl::StatusOr<std::vector<std::byte>> Compress(const TensorSpec& spec, std::span<const std::byte> data,
                                                  const EncodeOptions& options = {}) const;

  // Restores the tensor of `frame`.  Errors: as above; DataLoss (no valid frame), Unimplemented (a later version).
  absl::StatusOr<Tensor> Decompress(std::span<const std::byte> frame) const;

  // As Compress, with the samples from `source` and the frame into `sink`, which begins to get bytes while `source`
  // still gives them.  Memory: a few chunks.
  absl::StatusOr<TransferStats> CompressStream(const TensorSpec& spec, const EncodeOptions& options,
                                               const ChunkSource& source, const ChunkSink& sink) const;

  // As Decompress, with the frame from `source`, the spec into `spec_sink` and the samples into `sink`.
  absl::StatusOr<TransferStats> DecompressStream(const ChunkSource& source, const SpecSink& spec_sink,
                                                 const ChunkSink& sink) const;

  absl::StatusOr<Capabilities> GetCapabilities() const;

 private:
  std::unique_ptr<internal::Connection> connection_;
  ClientOptions options_;
};

}  // namespace dcac::client

#endif  // DCAC_CLIENT_H_
