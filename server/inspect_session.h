// The work of one Inspect stream.
#ifndef DCAC_SERVER_INSPECT_SESSION_H_
#define DCAC_SERVER_INSPECT_SESSION_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "dcac/v1/compression.pb.h"
#include "server/chunk_queue.h"
#include "server/limits.h"
#include "server/session.h"

namespace dcac::server {

// Collects the frame: header, index and the fronts of segments lie all over it.
class InspectSession final : public Session<v1::InspectRequest, v1::InspectResponse> {
 public:
  explicit InspectSession(const Limits& limits) : limits_(limits) {}

  // Errors: InvalidArgument (no chunk, offset, size), ResourceExhausted (a frame of more than kMaxInspectBytes).
  absl::Status Accept(v1::InspectRequest&& request) override;
  absl::Status AcceptEnd() override;
  // Errors: those of dcac::Inspect.
  absl::Status Work() override;
  bool NextReply(v1::InspectResponse* response) override;
  std::uint64_t memory_bytes() const override;
  CallFacts facts() const override;
  bool idle() const override { return input_.empty() && !(ended_ && !inspected_); }
  bool done() const override { return info_sent_; }

 private:
  const Limits limits_;
  InputChunks input_;
  std::string frame_;
  v1::FrameInfo info_;
  bool ended_ = false;      // the client half-closed
  bool inspected_ = false;  // info_ is complete
  bool info_sent_ = false;
};

}  // namespace dcac::server

#endif  // DCAC_SERVER_INSPECT_SESSION_H_
