// Runs a unary call on the worker pool.
#ifndef DCAC_SERVER_UNARY_REACTOR_H_
#define DCAC_SERVER_UNARY_REACTOR_H_

#include <google/protobuf/message.h>
#include <grpcpp/support/server_callback.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "proto/wire/status_code.h"
#include "server/call.h"
#include "server/call_gate.h"
#include "server/catch_all.h"
#include "server/task_pool.h"
#include "server/work_control.h"

namespace dcac::server {

// Owns itself: deleted in OnDone.
class UnaryReactor final : public grpc::ServerUnaryReactor {
 public:
  // What it does.
  using Work = std::function<absl::Status(const WorkControl& control, CallFacts* facts)>;

  // They live until OnDone.
  struct Messages {
    const google::protobuf::Message& request;
    const google::protobuf::Message& response;
  };

  UnaryReactor(std::unique_ptr<Call> call, const Messages& messages, TaskPool& workers, Work work)
      : call_(std::move(call)), messages_(messages), work_(std::move(work)) {
    call_->OnRequest(messages_.request.ByteSizeLong());
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
                                     : CatchAll([&] { return work_(control, &facts_); });
    facts_.stages = {.queue = start - enqueue_time_, .work = std::chrono::steady_clock::now() - start};
    if (status_.ok()) call_->OnResponse(messages_.response.ByteSizeLong());
    this->Finish(wire::ToGrpcStatus(status_));
  }

  const std::unique_ptr<Call> call_;
  const Messages messages_;
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

// A call whose answer takes no time.
template <typename Answer>
grpc::ServerUnaryReactor* AnswerAtOnce(CallGate& gate, Method method, grpc::CallbackServerContext& context,
                                       const Answer& answer) {
  return new AnsweredCall(CatchAll([&] {
    absl::StatusOr<std::unique_ptr<Call>> call = gate.Begin(method, context);
    if (!call.ok()) return call.status();
    const absl::Status status = CatchAll(answer);
    (*call)->End(status, CallFacts());
    return status;
  }));
}

}  // namespace dcac::server

#endif  // DCAC_SERVER_UNARY_REACTOR_H_
