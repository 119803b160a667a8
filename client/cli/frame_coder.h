// Where frames are encoded and decoded: in this process or by a server.
#ifndef DCAC_CLIENT_CLI_FRAME_CODER_H_
#define DCAC_CLIENT_CLI_FRAME_CODER_H_

#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/cli/server_options.h"
#include "core/files/byte_stream.h"
#include "dcac/frame_info.h"
#include "dcac/options.h"
#include "dcac/slice.h"
#include "dcac/tensor.h"

namespace dcac::cli {

class FrameCoder {
 public:
  using SpecSink = std::function<absl::Status(const TensorSpec&)>;

  virtual ~FrameCoder() = default;

  // Encodes the samples, all that `samples` gives, as one frame.
  virtual absl::Status Encode(const TensorSpec& spec, const EncodeOptions& options, files::ByteSource& samples,
                              files::ByteSink& frame) = 0;

  // Decodes the frame, all that `frame` gives.  `spec_sink` is called once, before the first samples are written.
  virtual absl::Status Decode(files::ByteSource& frame, const SpecSink& spec_sink, files::ByteSink& samples) = 0;

  // What the frame holds and how it is coded.  A server says less of its segments.
  virtual absl::StatusOr<FrameInfo> Inspect(const FrameAccess& frame) = 0;
};

std::unique_ptr<FrameCoder> MakeLocalFrameCoder();

// Errors: those of ConnectToServer; Unimplemented (built without gRPC), marked as from the server.
absl::StatusOr<std::unique_ptr<FrameCoder>> MakeServerFrameCoder(const ServerOptions& server);

// As `server` asks for.
absl::StatusOr<std::unique_ptr<FrameCoder>> MakeFrameCoder(const ServerOptions& server);

}  // namespace dcac::cli

#endif  // DCAC_CLIENT_CLI_FRAME_CODER_H_
