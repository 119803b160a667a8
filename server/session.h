// A stream's work without its transport: requests in, replies out.  The reactor moves them; a session checks and
// computes.
#ifndef DCAC_SERVER_SESSION_H_
#define DCAC_SERVER_SESSION_H_

#include <atomic>

#include "absl/status/status.h"

namespace dcac::server {

// One thread at a time uses a session, but for Cancel.  After an error it is to be thrown away.
template <typename Request, typename Response>
class Session {
 public:
  virtual ~Session() = default;

  // Takes the next request.  Only when idle().
  virtual absl::Status Accept(Request&& request) = 0;

  // Says that no more requests come.  Only when idle(), once.
  virtual absl::Status AcceptEnd() = 0;

  // Does a bounded piece of the work that was accepted.  Only when not idle() and all replies were taken, so that a
  // client that does not read stops the work and with it the growth of what waits here.
  virtual absl::Status Work() = 0;

  // Moves out the next reply.  False: there is none now.
  virtual bool NextReply(Response* response) = 0;

  virtual bool idle() const = 0;  // everything that was accepted is worked off
  virtual bool done() const = 0;  // the last reply was taken

  // Makes work that is under way end before its next segment, with an error.  From any thread.
  void Cancel() { cancelled_.store(true, std::memory_order_relaxed); }

 protected:
  const std::atomic<bool>* cancelled() const { return &cancelled_; }

 private:
  std::atomic<bool> cancelled_{false};
};

}  // namespace dcac::server

#endif  // DCAC_SERVER_SESSION_H_
