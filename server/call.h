// One call from its start to its end.
#ifndef DCAC_SERVER_CALL_H_
#define DCAC_SERVER_CALL_H_

#include <cstddef>
#include <cstdint>
#include <utility>

#include "absl/status/status.h"
#include "server/admission.h"
#include "server/call_info.h"
#include "server/metrics.h"

namespace dcac::server {

// Thread-safe but for End.
class Call {
 public:
  Call(CallInfo info, Admission::Ticket ticket, Metrics& metrics)
      : info_(std::move(info)), ticket_(std::move(ticket)), metrics_(metrics) {}

  const CallInfo& info() const { return info_; }

  // From now on the call may hold `bytes` of memory, which is no less than before.
  // Errors: ResourceExhausted (the budget, with advice when to come back where that helps).
  absl::Status Hold(std::uint64_t bytes) { return ticket_.Hold(bytes); }

  void OnRequest(std::size_t message_bytes) { metrics_.OnRequest(message_bytes); }
  void OnResponse(std::size_t message_bytes) { metrics_.OnResponse(message_bytes); }

  // Told of each segment that is coded for a call.
  SegmentObserver* segments() {
    return DirectionOf(info_.method) == Direction::kDecompress ? &metrics_.decoder_segments()
                                                               : &metrics_.encoder_segments();
  }

  // Once, as the last.
  void End(const absl::Status& status, const CallFacts& facts) { metrics_.OnCallEnd(info_, facts, status); }

 private:
  const CallInfo info_;
  Admission::Ticket ticket_;
  Metrics& metrics_;
};

}  // namespace dcac::server

#endif  // DCAC_SERVER_CALL_H_
