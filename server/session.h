// A stream's work without its transport: requests in, replies out.  The reactor moves them; a session checks and
// computes.
#ifndef DCAC_SERVER_SESSION_H_
#define DCAC_SERVER_SESSION_H_

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "absl/status/status.h"
#include "proto/wire/shared_bytes.h"
#include "server/call_info.h"
#include "server/limits.h"
#include "server/work_control.h"

namespace dcac::server {

// One thread at a time uses a session, but for Cancel.  After an error it is to be thrown away.
template <typename Request, typename Response>
class Session {
 public:
  virtual ~Session() = default;

  // Takes the next request.  Only when idle(), or after others, as many as max_requests_at_once() in all.
  virtual absl::Status Accept(Request&& request) = 0;

  // Whether GiveRequestData is of use; always the same.
  virtual bool takes_request_data() const { return false; }

  // The data of the chunk of the request that Accept gets next, where they were left out of it so that they need not be
  // copied.
  virtual void GiveRequestData(wire::SharedPieces /*data*/) {}

  // Says that no more requests come.  Only when idle(), once.
  virtual absl::Status AcceptEnd() = 0;

  // Does a bounded piece of the work that was accepted.  Only when not idle() and all replies were taken, so that a
  // client that does not read stops the work and with it the growth of what waits here.
  virtual absl::Status Work() = 0;

  // Moves out the next reply.  False: there is none now.
  virtual bool NextReply(Response* response) = 0;

  // The data of the chunk of the reply that NextReply gave last, where the session left them out so that they need not
  // be copied.
  virtual wire::SharedBytes TakeChunkData() { return {}; }

  // Most bytes that the session and the messages of its stream hold, as far as it is known; may grow with what is
  // accepted and worked off.  0: nothing is known, and no more than the first request may be read.
  virtual std::uint64_t memory_bytes() const = 0;

  virtual CallFacts facts() const = 0;

  virtual std::size_t max_requests_at_once() const { return 1; }

  // How many replies may wait to be sent; always the same.
  virtual std::size_t max_replies_in_flight() const { return kMaxRepliesInFlight; }

  virtual bool idle() const = 0;  // everything that was accepted is worked off
  virtual bool done() const = 0;  // the last reply was taken

  // Before the first request: `segments` is told of each segment that is coded; null: nobody is.
  void ObserveSegments(SegmentObserver* segments) { segments_ = segments; }

  // Makes work that is under way end before its next segment, with an error.  From any thread.
  void Cancel() { cancelled_.store(true, std::memory_order_relaxed); }

 protected:
  WorkControl control() const { return {.cancelled = cancelled_, .segments = segments_}; }

 private:
  std::atomic<bool> cancelled_{false};
  SegmentObserver* segments_ = nullptr;
};

}  // namespace dcac::server

#endif  // DCAC_SERVER_SESSION_H_
