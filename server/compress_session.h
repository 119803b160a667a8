// The work of one Compress stream.
#ifndef DCAC_SERVER_COMPRESS_SESSION_H_
#define DCAC_SERVER_COMPRESS_SESSION_H_

#include <cstdint>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "dcac/frame_encoder.h"
#include "dcac/v1/compression.pb.h"
#include "server/chunk_queue.h"
#include "server/limits.h"
#include "server/session.h"

namespace dcac::server {

class CompressSession final : public Session<v1::CompressRequest, v1::CompressResponse> {
 public:
  explicit CompressSession(const Limits& limits) : limits_(limits) {}

  // Errors: InvalidArgument (order, offset, size, spec, options), ResourceExhausted (limits).
  absl::Status Accept(v1::CompressRequest&& request) override;
  // Errors: InvalidArgument (no header), DataLoss (what arrived does not match the trailer's count).
  absl::Status AcceptEnd() override;
  // Errors: InvalidArgument (bytes too many or missing), DataLoss (digest).
  absl::Status Work() override;
  bool NextReply(v1::CompressResponse* response) override;
  std::uint64_t memory_bytes() const override;
  CallFacts facts() const override;
  bool takes_request_data() const override { return true; }
  void GiveRequestData(wire::SharedPieces data) override { request_data_ = std::move(data); }
  wire::SharedBytes TakeChunkData() override { return std::exchange(chunk_data_, {}); }
  std::size_t max_requests_at_once() const override { return kChunksAtOnce; }
  bool idle() const override { return input_.empty() && !(ended_ && !finished_); }
  bool done() const override { return trailer_sent_; }

 private:
  absl::Status Start(const v1::CompressHeader& header);
  absl::Status AcceptTrailer(const v1::CompressTrailer& trailer);
  absl::Status Finish();

  const Limits limits_;
  std::optional<FrameEncoder> encoder_;  // since the header
  DType dtype_ = DType::kU8;
  int level_ = 0;
  std::uint64_t tensor_bytes_ = 0;
  std::optional<v1::CompressTrailer> expected_;
  wire::SharedPieces request_data_;  // of the next request's chunk
  InputChunks input_;
  OutputChunks output_;
  wire::SharedBytes chunk_data_;  // of the last reply
  bool ended_ = false;            // the client half-closed
  bool finished_ = false;         // the frame is complete
  bool trailer_sent_ = false;
};

}  // namespace dcac::server

#endif  // DCAC_SERVER_COMPRESS_SESSION_H_
