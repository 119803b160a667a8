// The work of one Decompress stream.
#ifndef DCAC_SERVER_DECOMPRESS_SESSION_H_
#define DCAC_SERVER_DECOMPRESS_SESSION_H_

#include <cstdint>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "dcac/frame_decoder.h"
#include "dcac/v1/compression.pb.h"
#include "server/chunk_queue.h"
#include "server/limits.h"
#include "server/session.h"

namespace dcac::server {

class DecompressSession final : public Session<v1::DecompressRequest, v1::DecompressResponse> {
 public:
  explicit DecompressSession(const Limits& limits) : limits_(limits) {}

  // Errors: InvalidArgument (order, offset, size).
  absl::Status Accept(v1::DecompressRequest&& request) override;
  // Errors: InvalidArgument (no header), DataLoss (the frame is truncated).
  absl::Status AcceptEnd() override;
  // Errors: those of FrameDecoder::Push.
  absl::Status Work() override;
  bool NextReply(v1::DecompressResponse* response) override;
  wire::SharedBytes TakeChunkData() override { return std::exchange(chunk_data_, {}); }
  std::uint64_t memory_bytes() const override;
  CallFacts facts() const override;
  bool takes_request_data() const override { return true; }
  void GiveRequestData(wire::SharedPieces data) override { request_data_ = std::move(data); }
  std::size_t max_requests_at_once() const override { return kChunksAtOnce; }
  bool idle() const override { return input_.empty() && !(decoder_ && decoder_->has_backlog()); }
  bool done() const override { return trailer_sent_; }

 private:
  absl::Status Start(const v1::DecompressHeader& header);
  absl::Status PushHeader();
  // What the decoder of a usual frame holds.  Reserved before the frame's header tells, so that calls are refused
  // before they send their frame and not in its midst.
  std::uint64_t UsualDecoderBytes() const;
  void FillTrailer(v1::TransferTrailer* trailer) const;

  const Limits limits_;
  std::optional<FrameDecoder> decoder_;  // since the header
  std::uint64_t announced_bytes_ = 0;    // of the frame; 0: the client did not say
  wire::SharedPieces request_data_;      // of the next request's chunk
  InputChunks input_;
  OutputChunks output_;
  wire::SharedBytes chunk_data_;  // of the last reply
  bool spec_sent_ = false;
  bool ended_ = false;  // the client half-closed after a complete frame
  bool trailer_sent_ = false;
};

}  // namespace dcac::server

#endif  // DCAC_SERVER_DECOMPRESS_SESSION_H_
