// Runs a unary call on the worker pool.
#ifndef DCAC_SERVER_UNARY_REACTOR_H_
#define DCAC_SERVER_UNARY_REACTOR_H_

#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/server_callback.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/base/status_macros.h"
#include "proto/wire/message_bytes.h"
#include "proto/wire/status_code.h"
#include "server/call.h"
#include "server/call_gate.h"
#include "server/catch_all.h"
#include "server/task_pool.h"
#include "server/work_control.h"

namespace dcac::server {

inline absl::Status NoMessageError() {
  return absl::InvalidArgumentError("a request that is no message of the contract");
}

// A call that has begun, with the only request that it has, which comes as bytes: what does not parse gRPC itself would
// answer without a word, to the client and to the log.  A refused call has been counted and has to be ended with the
// status.  Errors: those of CallGate::Begin, InvalidArgument.
template <typename Request>
absl::StatusOr<std::unique_ptr<Call>> BeginWithRequest(CallGate& gate, Method method,
                                                       grpc::CallbackServerContext& context,
                                                       const grpc::ByteBuffer& bytes, Request* request) {
  DCAC_ASSIGN_OR_RETURN(std::unique_ptr<Call> call, gate.Begin(method, context));
  grpc::ByteBuffer copy = bytes;
  if (wire::FromByteBuffer(copy, request, nullptr)) return call;
  call->End(NoMessageError(), CallFacts());
  return NoMessageError();
}

// Owns itself: deleted in OnDone.
template <typename Request, typename Response>
class UnaryReactor final : public grpc::ServerUnaryReactor {
 public:
  // What it does.
  using Work = std::function<absl::Status(const Request& request, const WorkControl& control, Response* response,
                                          CallFacts* facts)>;

  // `answer` lives until OnDone.
  UnaryReactor(std::unique_ptr<Call> call, Request request, grpc::ByteBuffer& answer, TaskPool& workers, Work work)
      : call_(std::move(call)), request_(std::move(request)), answer_(answer), work_(std::move(work)) {
    call_->OnRequest(request_.ByteSizeLong());
    enqueue_time_ = std::chrono::steady_clock::now();
    workers.Enqueue([this] { Run(); });
  }

  void OnCancel() override { cancelled_.store(true, std::memory_order_relaxed); }

  void OnDone() override {
    call_->End(status_, facts_);
    delete this;
  }

 private:
  void Run() {
    const auto start = std::chrono::steady_clock::now();
    const WorkControl control{.cancelled = cancelled_, .segments = call_->segments()};
    status_ = control.is_cancelled() ? absl::CancelledError("the call was cancelled")
                                     : CatchAll([&] { return Answer(control); });
    facts_.stages = {.queue = start - enqueue_time_, .work = std::chrono::steady_clock::now() - start};
    if (status_.ok()) call_->OnResponse(answer_.Length());
    this->Finish(wire::ToGrpcStatus(status_));
  }

  absl::Status Answer(const WorkControl& control) {
    Response response;
    DCAC_RETURN_IF_ERROR(work_(request_, control, &response, &facts_));
    answer_ = wire::ToByteBuffer(std::as_const(response));
    return absl::OkStatus();
  }

  const std::unique_ptr<Call> call_;
  const Request request_;
  grpc::ByteBuffer& answer_;
  const Work work_;
  std::chrono::steady_clock::time_point enqueue_time_;
  std::atomic<bool> cancelled_{false};
  absl::Status status_;
  CallFacts facts_;
};

// A call that is answered at once.
class AnsweredCall final : public grpc::ServerUnaryReactor {
 public:
  explicit AnsweredCall(const absl::Status& status) { this->Finish(wire::ToGrpcStatus(status)); }
  void OnDone() override { delete this; }
};

// A call whose answer takes no time; `fill` makes it.
template <typename Request, typename Response>
grpc::ServerUnaryReactor* AnswerAtOnce(CallGate& gate, Method method, grpc::CallbackServerContext& context,
                                       const grpc::ByteBuffer& bytes, grpc::ByteBuffer* answer,
                                       const std::function<void(Response*)>& fill) {
  return new AnsweredCall(CatchAll([&]() -> absl::Status {
    Request request;
    DCAC_ASSIGN_OR_RETURN(const std::unique_ptr<Call> call, BeginWithRequest(gate, method, context, bytes, &request));
    const absl::Status status = CatchAll([&] {
      Response response;
      fill(&response);
      *answer = wire::ToByteBuffer(std::as_const(response));
      return absl::OkStatus();
    });
    call->End(status, CallFacts());
    return status;
  }));
}

}  // namespace dcac::server

#endif  // DCAC_SERVER_UNARY_REACTOR_H_
