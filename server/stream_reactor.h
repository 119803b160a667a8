// Moves the messages of one stream between gRPC and a session.  It computes nothing: sessions run on the worker pool.
#ifndef DCAC_SERVER_STREAM_REACTOR_H_
#define DCAC_SERVER_STREAM_REACTOR_H_

#include <grpcpp/alarm.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/server_callback.h>

#include <chrono>
#include <cstddef>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "core/base/status_macros.h"
#include "proto/wire/limits.h"
#include "proto/wire/message_bytes.h"
#include "proto/wire/status_code.h"
#include "server/call.h"
#include "server/catch_all.h"
#include "server/idle_watch.h"
#include "server/limits.h"
#include "server/session.h"
#include "server/task_pool.h"
#include "server/unary_reactor.h"

namespace dcac::server {

// A stream whose messages are bytes to gRPC, so that not all of them need be copied.
using ByteReactor = grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>;
// The same for calls whose only request comes with them.
using ByteWriter = grpc::ServerWriteReactor<grpc::ByteBuffer>;

// Owns itself: deleted in OnDone, or after it.  gRPC's callbacks and the session's tasks enter from any thread; each
// takes the mutex, notes what happened, and starts in Advance what can go on.  At most one read, one write and one task
// are under way. The last reply brings the status along; without one, or while the server drains, Finish is called when
// neither a write nor a task is under way, and while it drains not right after bytes went.
//
// Bounds: requests that wait are at most kMaxInbox, replies that wait at most what the session says; nothing but the
// first request is read before the memory for all of them is reserved.  The inbox has room for all that a client may
// leave unanswered, so that a client that writes within its credit never waits for its own reading.
template <typename Request, typename Response, typename Base = ByteReactor>
class StreamReactor final : public Base, private IdleWatch::Watched {
 public:
  static constexpr bool kReads = std::is_same_v<Base, ByteReactor>;

  // `context` lives until OnDone, and so must the workers and the watch.
  StreamReactor(std::unique_ptr<Session<Request, Response>> session, std::unique_ptr<Call> call,
                grpc::CallbackServerContext& context, TaskPool& workers, IdleWatch& watch)
      : session_(std::move(session)), call_(std::move(call)), context_(context), workers_(workers), watch_(watch) {
    session_->ObserveSegments(call_->segments());
    watch_.Add(this);
    const std::lock_guard lock(mutex_);
    Advance();
  }

  // With the only request of a call that has no others.
  StreamReactor(std::unique_ptr<Session<Request, Response>> session, std::unique_ptr<Call> call, Request request,
                grpc::CallbackServerContext& context, TaskPool& workers, IdleWatch& watch) requires(!kReads)
      : session_(std::move(session)), call_(std::move(call)), context_(context), workers_(workers), watch_(watch) {
    inbox_.push_back({std::move(request), {}});
    input_ended_ = true;
    session_->ObserveSegments(call_->segments());
    watch_.Add(this);
    const std::lock_guard lock(mutex_);
    Advance();
  }

  // Of bidirectional streams: overrides what the base has.
  void OnReadDone(bool ok) {
    Received received;
    if (ok) call_->OnRequest(incoming_.Length());
    const bool parsed =
        ok && wire::FromByteBuffer(incoming_, &received.request, takes_request_data_ ? &received.data : nullptr);
    const std::lock_guard lock(mutex_);
    Touch();
    reading_ = false;
    if (parsed) {
      inbox_.push_back(std::move(received));
    } else if (ok) {
      Fail(NoMessageError());
      session_->Cancel();
    } else {
      input_ended_ = true;
    }
    Advance();
  }

  void OnWriteDone(bool ok) override {
    const std::lock_guard lock(mutex_);
    Touch();
    writing_ = false;
    stages_.send += last_progress_ - write_start_;
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
    watch_.Remove(this);
    {
      // Whoever called Finish may still be about to release the mutex.
      const std::lock_guard lock(mutex_);
      if (writing_) stages_.send += std::chrono::steady_clock::now() - write_start_;
      CallFacts facts = session_->facts();
      facts.stages = stages_;
      facts.ended_idle = idle_error_;
      // A cancellation may end the reads before it is announced, and then looks like missing input.
      call_->End(cancelled_ && !idle_error_ ? absl::CancelledError("cancelled") : *result_, facts);
    }
    // A session may write to the store at its end, what an upload has to go on with, which gRPC's threads must not wait
    // for: other calls could not end meanwhile.
    if (workers_.may_wait()) {
      workers_.Enqueue([this] { delete this; });
    } else {
      delete this;
    }
  }

  void EndIfIdleSince(std::chrono::steady_clock::time_point moment) override {
    const std::lock_guard lock(mutex_);
    if ((result_ && !writing_) || working_ || idle_error_ || last_progress_ >= moment) return;
    idle_error_ = true;
    if (result_ && result_->ok()) result_.reset();
    Fail(absl::DeadlineExceededError("no bytes came or went for longer than the server waits"));
    session_->Cancel();
    // What is being written to a client that does not read ends in no other way; the client sees CANCELLED then.
    if (writing_) context_.TryCancel();
    Advance();
  }

 private:
  // Header and trailer come on top of the chunks.
  static constexpr std::size_t kMaxInbox = wire::kMaxUnansweredChunks + 2;

  struct Received {
    Request request;
    wire::SharedPieces data;  // of its chunk, where they are not in it
  };

  // What a task gets to do.
  struct Assignment {
    std::vector<Received> requests;
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

  void Touch() { last_progress_ = std::chrono::steady_clock::now(); }

  void Cancel() {
    cancelled_ = true;
    session_->Cancel();
  }

  // Nothing of a failed call is of use, but gRPC still holds what it writes.  The first failure is the call's.
  void Fail(const absl::Status& status) {
    if (!result_) result_ = status;
    outbox_.resize(writing_ ? 1 : 0);
  }

  void StartReadIfRoom() {
    // Until memory is reserved, the first request alone.
    if (reading_ || input_ended_ || inbox_.size() >= kMaxInbox || (!admitted_ && first_read_)) return;
    if constexpr (kReads) {
      first_read_ = true;
      reading_ = true;
      this->StartRead(&incoming_);
    }
  }

  void StartTaskIfWork() {
    const bool input = !inbox_.empty() || (input_ended_ && !end_given_);
    if (working_ || outbox_.size() >= max_replies_ || (session_resting_ && !input)) return;
    working_ = true;
    enqueue_time_ = std::chrono::steady_clock::now();
    workers_.Enqueue([this] { Run(); });
  }

  void StartWriteIfAny() {
    if (writing_ || cancelled_ || outbox_.empty()) return;
    writing_ = true;
    write_start_ = std::chrono::steady_clock::now();
    call_->OnResponse(outbox_.front().Length());
    if (outbox_.size() == 1 && !working_ && result_ && watch_.linger().count() == 0) {
      finished_ = true;  // OnWriteDone is not called
      this->StartWriteAndFinish(&outbox_.front(), grpc::WriteOptions(), wire::ToGrpcStatus(*result_));
    } else if (outbox_.size() > 1 && wrote_) {
      // Small ones are sent with what comes next.  The first one is not, for it would not end until then.
      this->StartWrite(&outbox_.front(), grpc::WriteOptions().set_buffer_hint());
    } else {
      this->StartWrite(&outbox_.front());
    }
    wrote_ = true;
  }

  void FinishIfEnded() {
    if (finished_ || working_ || writing_ || lingering_) return;
    if (cancelled_ && !idle_error_) {
      result_ = absl::CancelledError("the call was cancelled or its deadline passed");
    } else if (!result_ || !outbox_.empty()) {
      return;
    }
    const auto left = last_progress_ + watch_.linger() - std::chrono::steady_clock::now();
    if (!cancelled_ && !lingered_ && left.count() > 0) {
      Linger(left);
      return;
    }
    finished_ = true;
    this->Finish(wire::ToGrpcStatus(*result_));
  }

  void Linger(std::chrono::steady_clock::duration left) {
    lingering_ = lingered_ = true;  // once: an alarm is not to be set from its own callback
    farewell_.Set(std::chrono::system_clock::now() + left, [this](bool) {
      const std::lock_guard lock(mutex_);
      lingering_ = false;
      Advance();
    });
  }

  Assignment NextAssignment() {
    const std::lock_guard lock(mutex_);
    Assignment assignment;
    assignment.max_replies = max_replies_ - outbox_.size();
    if (!session_resting_) return assignment;
    while (!inbox_.empty() && assignment.requests.size() < session_->max_requests_at_once()) {
      assignment.requests.push_back(std::move(inbox_.front()));
      inbox_.pop_front();
    }
    if (assignment.requests.empty() && input_ended_ && !end_given_) {
      end_given_ = assignment.end_of_input = true;
    }
    return assignment;
  }

  // A task.  No other touches the session meanwhile.
  void Run() {
    const auto start = std::chrono::steady_clock::now();
    Assignment assignment = NextAssignment();
    std::vector<grpc::ByteBuffer> replies;
    const absl::Status status = CatchAll([&] { return Perform(assignment, &replies); });
    // Replies that still wait in the session are known by the room being used up.
    const bool resting = session_->idle() && replies.size() < assignment.max_replies;

    const std::lock_guard lock(mutex_);
    working_ = false;
    stages_.queue += start - enqueue_time_;
    stages_.work += std::chrono::steady_clock::now() - start;
    session_resting_ = resting;
    admitted_ = session_->memory_bytes() > 0;
    std::ranges::move(replies, std::back_inserter(outbox_));
    if (result_ || !status.ok()) {
      Fail(status);
    } else if (session_->done()) {
      result_ = absl::OkStatus();
    }
    Advance();
  }

  absl::Status Perform(Assignment& assignment, std::vector<grpc::ByteBuffer>* replies) {
    for (Received& received : assignment.requests) {
      session_->GiveRequestData(std::move(received.data));
      DCAC_RETURN_IF_ERROR(session_->Accept(std::move(received.request)));
    }
    if (assignment.end_of_input) DCAC_RETURN_IF_ERROR(session_->AcceptEnd());
    DCAC_RETURN_IF_ERROR(call_->Hold(session_->memory_bytes()));
    TakeReplies(assignment.max_replies, replies);
    if (replies->size() == assignment.max_replies || session_->idle()) return absl::OkStatus();
    DCAC_RETURN_IF_ERROR(session_->Work());
    TakeReplies(assignment.max_replies, replies);
    return absl::OkStatus();
  }

  void TakeReplies(std::size_t max_replies, std::vector<grpc::ByteBuffer>* replies) {
    Response response;
    while (replies->size() < max_replies && session_->NextReply(&response)) {
      replies->push_back(wire::ToByteBuffer(response, session_->TakeChunkData()));
      response.Clear();
    }
  }

  const std::unique_ptr<Session<Request, Response>> session_;  // used by the task under way alone, but for Cancel
  const std::unique_ptr<Call> call_;
  grpc::CallbackServerContext& context_;
  TaskPool& workers_;
  IdleWatch& watch_;
  const bool takes_request_data_ = session_->takes_request_data();
  const std::size_t max_replies_ = session_->max_replies_in_flight();

  grpc::Alarm farewell_;

  std::mutex mutex_;           // guards all below
  grpc::ByteBuffer incoming_;  // gRPC's while reading_
  std::deque<Received> inbox_;
  std::deque<grpc::ByteBuffer> outbox_;  // the first is gRPC's while writing_
  std::chrono::steady_clock::time_point last_progress_ = std::chrono::steady_clock::now();
  std::chrono::steady_clock::time_point enqueue_time_;  // of the task under way
  std::chrono::steady_clock::time_point write_start_;   // of the write under way
  StageTimes stages_;
  bool first_read_ = false;  // was started
  bool admitted_ = false;    // memory is reserved
  bool idle_error_ = false;
  bool reading_ = false;
  bool writing_ = false;
  bool wrote_ = false;      // a write was started
  bool lingering_ = false;  // Finish waits for farewell_
  bool lingered_ = false;   // it waits or has waited
  bool working_ = false;
  bool session_resting_ = true;  // the session has neither work nor replies left
  bool input_ended_ = false;
  bool end_given_ = false;  // the session knows
  bool cancelled_ = false;
  bool finished_ = false;
  std::optional<absl::Status> result_;  // set when the session has ended
};

// A stream that is answered with an error at once.
template <typename Base = ByteReactor>
class RefusedStream final : public Base {
 public:
  explicit RefusedStream(const absl::Status& status) { this->Finish(wire::ToGrpcStatus(status)); }
  void OnDone() override { delete this; }
};

}  // namespace dcac::server

#endif  // DCAC_SERVER_STREAM_REACTOR_H_
