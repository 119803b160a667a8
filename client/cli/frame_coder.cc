#include "client/cli/frame_coder.h"

#include <cstddef>
#include <span>
#include <vector>

#include "core/base/status_macros.h"
#include "dcac/frame_decoder.h"
#include "dcac/frame_encoder.h"

namespace dcac::cli {
namespace {

class LocalFrameCoder final : public FrameCoder {
 public:
  absl::Status Encode(const TensorSpec& spec, const EncodeOptions& options, files::ByteSource& samples,
                      files::ByteSink& frame) override {
    DCAC_ASSIGN_OR_RETURN(FrameEncoder encoder, FrameEncoder::Create(spec, options));
    std::vector<std::byte> chunk(files::kChunkBytes);
    while (true) {
      DCAC_ASSIGN_OR_RETURN(const std::size_t n, samples.Read(chunk));
      if (n == 0) break;
      DCAC_RETURN_IF_ERROR(encoder.Push(std::span(chunk).first(n)));
      DCAC_RETURN_IF_ERROR(frame.Write(encoder.Pull()));
    }
    DCAC_RETURN_IF_ERROR(encoder.Finish());
    return frame.Write(encoder.Pull());
  }

  absl::Status Decode(files::ByteSource& frame, const SpecSink& spec_sink, files::ByteSink& samples) override {
    FrameDecoder decoder;
    std::vector<std::byte> chunk(files::kChunkBytes);
    bool spec_known = false;
    while (true) {
      DCAC_ASSIGN_OR_RETURN(const std::size_t n, frame.Read(chunk));
      if (n == 0) break;
      DCAC_RETURN_IF_ERROR(decoder.PushBounded(std::span(chunk).first(n)));
      if (!spec_known && decoder.spec() != nullptr) {
        DCAC_RETURN_IF_ERROR(spec_sink(*decoder.spec()));
        spec_known = true;
      }
      DCAC_RETURN_IF_ERROR(samples.Write(decoder.Pull()));
      while (decoder.has_backlog()) {
        DCAC_RETURN_IF_ERROR(decoder.PushBounded({}));
        DCAC_RETURN_IF_ERROR(samples.Write(decoder.Pull()));
      }
    }
    return decoder.Finish();
  }

  absl::StatusOr<FrameInfo> Inspect(const FrameAccess& frame) override { return dcac::Inspect(frame); }
};

}  // namespace

std::unique_ptr<FrameCoder> MakeLocalFrameCoder() {
  return std::make_unique<LocalFrameCoder>();
}

absl::StatusOr<std::unique_ptr<FrameCoder>> MakeFrameCoder(const ServerOptions& server) {
  if (!server.works()) return MakeLocalFrameCoder();
  return MakeServerFrameCoder(server);
}

}  // namespace dcac::cli
