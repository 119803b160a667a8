// Moves the messages of one stream between gRPC and a session.  It computes nothing: sessions run on the worker pool.
#ifndef DCAC_SERVER_STREAM_REACTOR_H_
#define DCAC_SERVER_STREAM_REACTOR_H_

#include <grpcpp/support/server_callback.h>

#include <cstddef>
#include <deque>
#include <exception>
#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "core/base/status_macros.h"
#include "proto/wire/limits.h"
#include "proto/wire/status_code.h"
#include "server/admission.h"
#include "server/metrics.h"
#include "server/session.h"
#include "server/worker_pool.h"

namespace dcac::server {

// Owns itself: deleted in OnDone.  gRPC's callbacks and the session's tasks enter from any thread; each takes the
// mutex, notes what happened, and starts in Advance what can go on.  At most one read, one write and one task are under
// way. Finish is called once, when neither a write nor a task is.
//
// Bounds: requests that wait are at most kMaxInbox, replies that wait at most kMaxOutbox.  The inbox has room for all
// that a client may leave unanswered, so that a client that writes within its credit never waits for its own reading.
template <typename Request, typename Response>
class StreamReactor final : public grpc::ServerBidiReactor<Request, Response> {
 public:
  StreamReactor(std::unique_ptr<Session<Request, Response>> session, Admission::Ticket ticket, WorkerPool& workers,
                Metrics& metrics)
      : session_(std::move(session)), ticket_(std::move(ticket)), workers_(workers), metrics_(metrics) {
    const std::lock_guard lock(mutex_);
    Advance();
  }

  void OnReadDone(bool ok) override {
    const std::lock_guard lock(mutex_);
    reading_ = false;
    if (ok) {
      metrics_.OnRequest(incoming_.ByteSizeLong());
      inbox_.push_back(std::exchange(incoming_, Request()));
    } else {
      input_ended_ = true;
    }
    Advance();
  }

  void OnWriteDone(bool ok) override {
    const std::lock_guard lock(mutex_);
    writing_ = false;
    outbox_.pop_front();
    if (!ok) Cancel();
    Advance();
  }

  void OnCancel() override {
    const std::lock_guard lock(mutex_);
    Cancel();
    Advance();
  }

  void OnDone() override {
    {
      // Whoever called Finish may still be about to release the mutex.
      const std::lock_guard lock(mutex_);
      // A cancellation may end the reads before it is announced, and then looks like missing input.
      metrics_.OnCallEnd(cancelled_ ? absl::StatusCode::kCancelled : result_->code());
    }
    delete this;
  }

 private:
  // Header and trailer come on top of the chunks.
  static constexpr std::size_t kMaxInbox = wire::kMaxUnansweredChunks + 2;
  static constexpr std::size_t kMaxOutbox = 16;

  // What a task gets to do.
  struct Assignment {
    std::optional<Request> request;
    bool end_of_input = false;
    std::size_t max_replies = 0;
  };

  // All functions below but Run and Perform: the mutex is held.
  void Advance() {
    if (finished_) return;
    if (!cancelled_ && !result_) {
      StartReadIfRoom();
      StartTaskIfWork();
    }
    StartWriteIfAny();
    FinishIfEnded();
  }

  void Cancel() {
    cancelled_ = true;
    session_->Cancel();
  }

  void StartReadIfRoom() {
    if (reading_ || input_ended_ || inbox_.size() >= kMaxInbox) return;
    reading_ = true;
    this->StartRead(&incoming_);
  }

  void StartTaskIfWork() {
    const bool input = !inbox_.empty() || (input_ended_ && !end_given_);
    if (working_ || outbox_.size() >= kMaxOutbox || (session_resting_ && !input)) return;
    working_ = true;
    workers_.Enqueue([this] { Run(); });
  }

  void StartWriteIfAny() {
    if (writing_ || cancelled_ || outbox_.empty()) return;
    writing_ = true;
    metrics_.OnResponse(outbox_.front().ByteSizeLong());
    this->StartWrite(&outbox_.front());
  }

  void FinishIfEnded() {
    if (working_ || writing_) return;
    if (cancelled_) {
      result_ = absl::CancelledError("the call was cancelled or its deadline passed");
    } else if (!result_ || !outbox_.empty()) {
      return;
    }
    finished_ = true;
    this->Finish(wire::ToGrpcStatus(*result_));
  }

  Assignment NextAssignment() {
    const std::lock_guard lock(mutex_);
    Assignment assignment;
    assignment.max_replies = kMaxOutbox - outbox_.size();
    if (!session_resting_) return assignment;
    if (!inbox_.empty()) {
      assignment.request = std::move(inbox_.front());
      inbox_.pop_front();
    } else if (input_ended_ && !end_given_) {
      end_given_ = assignment.end_of_input = true;
    }
    return assignment;
  }

  // A task.  No other touches the session meanwhile.
  void Run() {
    Assignment assignment = NextAssignment();
    std::vector<Response> replies;
    const absl::Status status = PerformAndCatch(assignment, &replies);
    // Replies that still wait in the session are known by the room being used up.
    const bool resting = session_->idle() && replies.size() < assignment.max_replies;

    const std::lock_guard lock(mutex_);
    working_ = false;
    session_resting_ = resting;
    std::ranges::move(replies, std::back_inserter(outbox_));
    if (!status.ok()) {
      result_ = status;
      outbox_.resize(writing_ ? 1 : 0);  // nothing of a failed call is of use, but gRPC still holds what it writes
    } else if (session_->done()) {
      result_ = absl::OkStatus();
    }
    Advance();
  }

  absl::Status PerformAndCatch(Assignment& assignment, std::vector<Response>* replies) {
    try {
      return Perform(assignment, replies);
    } catch (const std::bad_alloc&) {
      return absl::ResourceExhaustedError("the server is out of memory");
    } catch (const std::exception& error) {
      return absl::InternalError(error.what());
    } catch (...) {
      return absl::InternalError("unknown exception");
    }
  }

  absl::Status Perform(Assignment& assignment, std::vector<Response>* replies) {
    if (assignment.request) DCAC_RETURN_IF_ERROR(session_->Accept(*std::move(assignment.request)));
    if (assignment.end_of_input) DCAC_RETURN_IF_ERROR(session_->AcceptEnd());
    TakeReplies(assignment.max_replies, replies);
    if (replies->size() == assignment.max_replies || session_->idle()) return absl::OkStatus();
    DCAC_RETURN_IF_ERROR(session_->Work());
    TakeReplies(assignment.max_replies, replies);
    return absl::OkStatus();
  }

  void TakeReplies(std::size_t max_replies, std::vector<Response>* replies) {
    Response response;
    while (replies->size() < max_replies && session_->NextReply(&response)) {
      replies->push_back(std::exchange(response, Response()));
    }
  }

  const std::unique_ptr<Session<Request, Response>> session_;  // used by the task under way alone, but for Cancel
  const Admission::Ticket ticket_;
  WorkerPool& workers_;
  Metrics& metrics_;

  std::mutex mutex_;  // guards all below
  Request incoming_;  // gRPC's while reading_
  std::deque<Request> inbox_;
  std::deque<Response> outbox_;  // the first is gRPC's while writing_
  bool reading_ = false;
  bool writing_ = false;
  bool working_ = false;
  bool session_resting_ = true;  // the session has neither work nor replies left
  bool input_ended_ = false;
  bool end_given_ = false;  // the session knows
  bool cancelled_ = false;
  bool finished_ = false;
  std::optional<absl::Status> result_;  // set when the session has ended
};

// A stream that is answered with an error at once.
template <typename Request, typename Response>
class RefusedStream final : public grpc::ServerBidiReactor<Request, Response> {
 public:
  explicit RefusedStream(const absl::Status& status) { this->Finish(wire::ToGrpcStatus(status)); }
  void OnDone() override { delete this; }
};

}  // namespace dcac::server

#endif  // DCAC_SERVER_STREAM_REACTOR_H_
