// Client of a dcac-server: compresses and restores tensors, in this process or at a server, and asks servers how they
// are.
//
// This header is all a user needs; it shows no type of the transport.  Frames are the same bytes as dcac::Compress
// gives with the same options, wherever they were made.  Nothing here prints, exits or throws.
#ifndef DCAC_CLIENT_H_
#define DCAC_CLIENT_H_

#include <cstddef>
#include <functional>
#include <future>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "dcac/client_options.h"
#include "dcac/client_results.h"
#include "dcac/frame_info.h"
#include "dcac/options.h"
#include "dcac/tensor.h"

namespace dcac::client {

namespace internal {
class Connection;
}  // namespace internal

class Store;

// Gives the next bytes of the input, any number of them; an empty span is the end.  The bytes must live until the next
// call.  An error ends the transfer and is returned from it.
using ChunkSource = std::function<absl::StatusOr<std::span<const std::byte>>()>;

// Takes the next bytes of the output; they live until it returns.  An error ends the transfer and is returned from it.
using ChunkSink = std::function<absl::Status(std::span<const std::byte>)>;

// Takes the spec of the tensor, once, before its first bytes.
using SpecSink = std::function<absl::Status(const TensorSpec&)>;

// A tensor of a batch; `data` must live until the call returns.
struct BatchItem {
  TensorSpec spec;
  std::span<const std::byte> data;
  EncodeOptions options;
};

// Connections to one or more servers.  Copies are the same client; calls may run concurrently on one object.  Sources
// and sinks are called on the thread of the call, one at a time.  Output that a sink got is valid only when the call
// returned OK: byte counts and digest are checked at the end.
//
// All calls are idempotent.  What failed for a moment is repeated (RetryOptions), at another server if there is one; a
// source is asked only once all the same, since its first 4 MiB are kept for that.
//
// Errors of every call: Unavailable (server unreachable or shutting down: try again), DeadlineExceeded, Cancelled,
// InvalidArgument (options of the call), Unauthenticated, PermissionDenied (token), ResourceExhausted (a limit of the
// server, or of ClientOptions), DataLoss (what arrived does not match its digest or count), Internal (the server broke
// the protocol).
class Client {
 public:
  // Connects to `targets`: unix:PATH, HOST:PORT, ipv4:ADDRESS:PORT,ADDRESS:PORT or dns:///HOST:PORT, or several of
  // these with commas between them.  Calls go round over all addresses that are healthy. Errors: InvalidArgument
  // (targets, options, credentials), Unavailable (no healthy server answered within options.connect_timeout).
  static absl::StatusOr<Client> Connect(std::string_view targets, const ClientOptions& options = {});

  // For tests: on connections of the caller's, at least one.
  Client(std::unique_ptr<internal::Connection> connection, const ClientOptions& options);
  Client(std::vector<std::unique_ptr<internal::Connection>> connections, const ClientOptions& options);

  Client(const Client&);
  Client& operator=(const Client&);
  Client(Client&&) noexcept;
  Client& operator=(Client&&) noexcept;
  ~Client();

  // Compresses `data`, the samples of a tensor of `spec`, into one frame.
  // Errors: as above; InvalidArgument (spec or option out of range; `data` is not TensorBytes(spec) long).
  absl::StatusOr<std::vector<std::byte>> Compress(const TensorSpec& spec, std::span<const std::byte> data,
                                                  const EncodeOptions& options = {},
                                                  const CallOptions& call = {}) const;

  // Restores the tensor of `frame`.  Errors: as above; DataLoss (no valid frame), Unimplemented (a later version).
  absl::StatusOr<Tensor> Decompress(std::span<const std::byte> frame, const CallOptions& call = {}) const;

  // As Decompress, but into memory of the caller, which must have as many bytes as the tensor; on error its content is
  // unspecified.  Errors: as Decompress; InvalidArgument (`tensor` has another size).
  absl::StatusOr<TensorSpec> DecompressInto(std::span<const std::byte> frame, std::span<std::byte> tensor,
                                            const CallOptions& call = {}) const;

  // As Compress, with the samples from `source` and the frame into `sink`, which begins to get bytes while `source`
  // still gives them.  Memory: a few chunks, and what is kept of the source; in this process a few segments.
  absl::StatusOr<TransferStats> CompressStream(const TensorSpec& spec, const EncodeOptions& options,
                                               const ChunkSource& source, const ChunkSink& sink,
                                               const CallOptions& call = {}) const;

  // As Decompress, with the frame from `source`, the spec into `spec_sink` and the samples into `sink`.
  absl::StatusOr<TransferStats> DecompressStream(const ChunkSource& source, const SpecSink& spec_sink,
                                                 const ChunkSink& sink, const CallOptions& call = {}) const;

  // The same between open files: from the position of `input` to its end, to the position of `output`.
  // Errors: as above; those of the system for reading and writing.
  absl::StatusOr<TransferStats> CompressFd(const TensorSpec& spec, const EncodeOptions& options, int input, int output,
                                           const CallOptions& call = {}) const;
  absl::StatusOr<TransferStats> DecompressFd(int input, int output, const CallOptions& call = {}) const;

  // The same in the background, on threads of the client.  `data` and `frame` must live until the result is there;
  // `done` is called once, on one of these threads or on that of the caller, and should return soon.  The deadline runs
  // from now on.  When the last copy of the client goes, what waits for a thread ends with Cancelled, and what runs is
  // waited for. Errors: as above; ResourceExhausted (ClientOptions::max_async_calls wait already).
  using FrameCallback = std::function<void(absl::StatusOr<std::vector<std::byte>>)>;
  using TensorCallback = std::function<void(absl::StatusOr<Tensor>)>;
  std::future<absl::StatusOr<std::vector<std::byte>>> CompressAsync(const TensorSpec& spec,
                                                                    std::span<const std::byte> data,
                                                                    const EncodeOptions& options = {},
                                                                    const CallOptions& call = {}) const;
  void CompressAsync(const TensorSpec& spec, std::span<const std::byte> data, const EncodeOptions& options,
                     const CallOptions& call, FrameCallback done) const;
  std::future<absl::StatusOr<Tensor>> DecompressAsync(std::span<const std::byte> frame,
                                                      const CallOptions& call = {}) const;
  void DecompressAsync(std::span<const std::byte> frame, const CallOptions& call, TensorCallback done) const;

  // Says what a frame holds and how it is coded, without decoding its samples.  Of segments, a server says no more than
  // box, place, sizes and method, and of at most 16384 of them.
  // Errors: as Decompress; ResourceExhausted (more than Capabilities::max_inspect_bytes).
  absl::StatusOr<FrameInfo> Inspect(std::span<const std::byte> frame, const CallOptions& call = {}) const;

  // Compresses many tensors, which pays off where they are small; gives a frame or an error for each, in their order.
  // Errors of an item: as Compress.
  std::vector<absl::StatusOr<std::vector<std::byte>>> BatchCompress(std::span<const BatchItem> items,
                                                                    const CallOptions& call = {}) const;

  // What the servers can do, and how the one that answers is; whatever ClientOptions::codec says.
  absl::StatusOr<Capabilities> GetCapabilities(const CallOptions& call = {}) const;
  absl::StatusOr<ServerStatus> GetStatus(const CallOptions& call = {}) const;

 private:
  friend class Store;
  struct Impl;

  std::shared_ptr<Impl> impl_;
};

}  // namespace dcac::client

#endif  // DCAC_CLIENT_H_
