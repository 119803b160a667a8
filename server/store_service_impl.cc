#include "server/store_service_impl.h"

#include <memory>
#include <utility>

#include "core/base/status_macros.h"
#include "server/batch_store_sessions.h"
#include "server/get_session.h"
#include "server/put_session.h"
#include "server/store_calls.h"

namespace dcac::server {
namespace {

// Of a call that holds no more than its messages: the largest is a page of a list.
constexpr std::uint64_t kUnaryMemoryBytes = std::uint64_t{4} << 20;

std::chrono::steady_clock::time_point DeadlineOf(const grpc::CallbackServerContext& context) {
  using Clock = std::chrono::steady_clock;
  const std::chrono::system_clock::time_point deadline = context.deadline();
  const auto left = deadline - std::chrono::system_clock::now();
  // A call without one has a time that is further away than the clock can count to.
  constexpr std::chrono::hours kFar{24 * 365};
  return left > kFar ? Clock::time_point::max() : Clock::now() + std::chrono::duration_cast<Clock::duration>(left);
}

}  // namespace

StoreContext StoreServiceImpl::ContextOf(const Call& call, const grpc::CallbackServerContext& context) const {
  return {.store = store_,
          .workers = workers_,
          .limits = limits_.Get(),
          .tenant = call.info().store_tenant,
          .deadline = DeadlineOf(context)};
}

template <typename SessionType, typename Request, typename Response>
ByteReactor* StoreServiceImpl::StartStream(Method method, grpc::CallbackServerContext& context) {
  ByteReactor* reactor = nullptr;
  const absl::Status status = CatchAll([&]() -> absl::Status {
    DCAC_ASSIGN_OR_RETURN(std::unique_ptr<Call> call, gate_.Begin(method, context));
    auto session = std::make_unique<SessionType>(ContextOf(*call, context));
    reactor = new StreamReactor<Request, Response>(std::move(session), std::move(call), context, threads_, watch_);
    return absl::OkStatus();
  });
  return status.ok() ? reactor : new RefusedStream<>(status);
}

template <typename SessionType, typename Request, typename Response>
ByteWriter* StoreServiceImpl::StartReading(Method method, grpc::CallbackServerContext& context,
                                           const grpc::ByteBuffer& bytes) {
  ByteWriter* reactor = nullptr;
  const absl::Status status = CatchAll([&]() -> absl::Status {
    Request request;
    DCAC_ASSIGN_OR_RETURN(std::unique_ptr<Call> call, BeginWithRequest(gate_, method, context, bytes, &request));
    auto session = std::make_unique<SessionType>(ContextOf(*call, context));
    reactor = new StreamReactor<Request, Response, ByteWriter>(std::move(session), std::move(call), std::move(request),
                                                               context, threads_, watch_);
    return absl::OkStatus();
  });
  return status.ok() ? reactor : new RefusedStream<ByteWriter>(status);
}

template <typename Request, typename Response>
grpc::ServerUnaryReactor* StoreServiceImpl::StartUnary(Method method, grpc::CallbackServerContext& context,
                                                       const grpc::ByteBuffer& bytes, grpc::ByteBuffer* answer,
                                                       absl::Status (*work)(const Request&, const StoreContext&,
                                                                            const WorkControl&, Response*)) {
  grpc::ServerUnaryReactor* reactor = nullptr;
  const absl::Status status = CatchAll([&]() -> absl::Status {
    Request message;
    DCAC_ASSIGN_OR_RETURN(std::unique_ptr<Call> call, BeginWithRequest(gate_, method, context, bytes, &message));
    if (const absl::Status room = call->Hold(kUnaryMemoryBytes); !room.ok()) {
      call->End(room, CallFacts());
      return room;
    }
    StoreContext store = ContextOf(*call, context);
    // The call lives as long as its work.
    store.hold = [of = call.get()](std::uint64_t more) { return of->Hold(kUnaryMemoryBytes + more); };
    reactor = new UnaryReactor<Request, Response>(
        std::move(call), std::move(message), *answer, threads_,
        [work, store = std::move(store)](const Request& request, const WorkControl& control, Response* response,
                                         CallFacts*) { return work(request, store, control, response); });
    return absl::OkStatus();
  });
  return status.ok() ? reactor : new AnsweredCall(status);
}

ByteReactor* StoreServiceImpl::Put(grpc::CallbackServerContext* context) {
  return StartStream<PutSession, v1::PutRequest, v1::PutResponse>(Method::kPut, *context);
}

ByteWriter* StoreServiceImpl::Get(grpc::CallbackServerContext* context, const grpc::ByteBuffer* request) {
  return StartReading<GetSession, v1::GetRequest, v1::GetResponse>(Method::kGet, *context, *request);
}

ByteReactor* StoreServiceImpl::BatchPut(grpc::CallbackServerContext* context) {
  return StartStream<BatchPutSession, v1::BatchPutRequest, v1::BatchPutResponse>(Method::kBatchPut, *context);
}

ByteWriter* StoreServiceImpl::BatchGet(grpc::CallbackServerContext* context, const grpc::ByteBuffer* request) {
  return StartReading<BatchGetSession, v1::BatchGetRequest, v1::BatchGetResponse>(Method::kBatchGet, *context,
                                                                                  *request);
}

grpc::ServerUnaryReactor* StoreServiceImpl::QueryUpload(grpc::CallbackServerContext* context,
                                                        const grpc::ByteBuffer* request, grpc::ByteBuffer* answer) {
  return StartUnary(Method::kQueryUpload, *context, *request, answer, &server::QueryUpload);
}

grpc::ServerUnaryReactor* StoreServiceImpl::FindMissing(grpc::CallbackServerContext* context,
                                                        const grpc::ByteBuffer* request, grpc::ByteBuffer* answer) {
  return StartUnary(Method::kFindMissing, *context, *request, answer, &server::FindMissing);
}

grpc::ServerUnaryReactor* StoreServiceImpl::Stat(grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
                                                 grpc::ByteBuffer* answer) {
  return StartUnary(Method::kStat, *context, *request, answer, &server::Stat);
}

grpc::ServerUnaryReactor* StoreServiceImpl::List(grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
                                                 grpc::ByteBuffer* answer) {
  return StartUnary(Method::kList, *context, *request, answer, &server::List);
}

grpc::ServerUnaryReactor* StoreServiceImpl::Delete(grpc::CallbackServerContext* context,
                                                   const grpc::ByteBuffer* request, grpc::ByteBuffer* answer) {
  return StartUnary(Method::kDelete, *context, *request, answer, &server::Delete);
}

grpc::ServerUnaryReactor* StoreServiceImpl::DeletePrefix(grpc::CallbackServerContext* context,
                                                         const grpc::ByteBuffer* request, grpc::ByteBuffer* answer) {
  return StartUnary(Method::kDeletePrefix, *context, *request, answer, &server::DeletePrefix);
}

grpc::ServerUnaryReactor* StoreServiceImpl::Touch(grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
                                                  grpc::ByteBuffer* answer) {
  return StartUnary(Method::kTouch, *context, *request, answer, &server::Touch);
}

grpc::ServerUnaryReactor* StoreServiceImpl::Pin(grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
                                                grpc::ByteBuffer* answer) {
  return StartUnary(Method::kPin, *context, *request, answer, &server::Pin);
}

grpc::ServerUnaryReactor* StoreServiceImpl::GetUsage(grpc::CallbackServerContext* context,
                                                     const grpc::ByteBuffer* request, grpc::ByteBuffer* answer) {
  return StartUnary(Method::kGetUsage, *context, *request, answer, &server::GetUsage);
}

grpc::ServerUnaryReactor* StoreServiceImpl::Scrub(grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
                                                  grpc::ByteBuffer* answer) {
  return StartUnary(Method::kScrub, *context, *request, answer, &server::Scrub);
}

}  // namespace dcac::server
