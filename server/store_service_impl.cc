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
    DCAC_ASSIGN_OR_RETURN(std::unique_ptr<Call> call, gate_.Begin(method, context));
    Request request;
    grpc::ByteBuffer copy = bytes;
    if (!wire::FromByteBuffer(copy, &request, nullptr)) {
      call->End(NoMessageError(), CallFacts());
      return NoMessageError();
    }
    auto session = std::make_unique<SessionType>(ContextOf(*call, context));
    reactor = new StreamReactor<Request, Response, ByteWriter>(std::move(session), std::move(call), std::move(request),
                                                               context, threads_, watch_);
    return absl::OkStatus();
  });
  return status.ok() ? reactor : new RefusedStream<ByteWriter>(status);
}

template <typename Request, typename Response>
grpc::ServerUnaryReactor* StoreServiceImpl::StartUnary(Method method, grpc::CallbackServerContext& context,
                                                       const Request* request, Response* response,
                                                       absl::Status (*work)(const Request&, const StoreContext&,
                                                                            const WorkControl&, Response*)) {
  grpc::ServerUnaryReactor* reactor = nullptr;
  const absl::Status status = CatchAll([&]() -> absl::Status {
    DCAC_ASSIGN_OR_RETURN(std::unique_ptr<Call> call, gate_.Begin(method, context));
    if (const absl::Status room = call->Hold(kUnaryMemoryBytes); !room.ok()) {
      call->End(room, CallFacts());
      return room;
    }
    StoreContext store = ContextOf(*call, context);
    // The call lives as long as its work.
    store.hold = [of = call.get()](std::uint64_t bytes) { return of->Hold(kUnaryMemoryBytes + bytes); };
    reactor = new UnaryReactor(
        std::move(call), {*request, *response}, threads_,
        [=](const WorkControl& control, CallFacts*) { return work(*request, store, control, response); });
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
                                                        const v1::QueryUploadRequest* request,
                                                        v1::QueryUploadResponse* response) {
  return StartUnary(Method::kQueryUpload, *context, request, response, &server::QueryUpload);
}

grpc::ServerUnaryReactor* StoreServiceImpl::FindMissing(grpc::CallbackServerContext* context,
                                                        const v1::FindMissingRequest* request,
                                                        v1::FindMissingResponse* response) {
  return StartUnary(Method::kFindMissing, *context, request, response, &server::FindMissing);
}

grpc::ServerUnaryReactor* StoreServiceImpl::Stat(grpc::CallbackServerContext* context, const v1::StatRequest* request,
                                                 v1::StatResponse* response) {
  return StartUnary(Method::kStat, *context, request, response, &server::Stat);
}

grpc::ServerUnaryReactor* StoreServiceImpl::List(grpc::CallbackServerContext* context, const v1::ListRequest* request,
                                                 v1::ListResponse* response) {
  return StartUnary(Method::kList, *context, request, response, &server::List);
}

grpc::ServerUnaryReactor* StoreServiceImpl::Delete(grpc::CallbackServerContext* context,
                                                   const v1::DeleteRequest* request, v1::DeleteResponse* response) {
  return StartUnary(Method::kDelete, *context, request, response, &server::Delete);
}

grpc::ServerUnaryReactor* StoreServiceImpl::DeletePrefix(grpc::CallbackServerContext* context,
                                                         const v1::DeletePrefixRequest* request,
                                                         v1::DeletePrefixResponse* response) {
  return StartUnary(Method::kDeletePrefix, *context, request, response, &server::DeletePrefix);
}

grpc::ServerUnaryReactor* StoreServiceImpl::Touch(grpc::CallbackServerContext* context, const v1::TouchRequest* request,
                                                  v1::TouchResponse* response) {
  return StartUnary(Method::kTouch, *context, request, response, &server::Touch);
}

grpc::ServerUnaryReactor* StoreServiceImpl::Pin(grpc::CallbackServerContext* context, const v1::PinRequest* request,
                                                v1::PinResponse* response) {
  return StartUnary(Method::kPin, *context, request, response, &server::Pin);
}

grpc::ServerUnaryReactor* StoreServiceImpl::GetUsage(grpc::CallbackServerContext* context,
                                                     const v1::GetUsageRequest* request,
                                                     v1::GetUsageResponse* response) {
  return StartUnary(Method::kGetUsage, *context, request, response, &server::GetUsage);
}

grpc::ServerUnaryReactor* StoreServiceImpl::Scrub(grpc::CallbackServerContext* context, const v1::ScrubRequest* request,
                                                  v1::ScrubResponse* response) {
  return StartUnary(Method::kScrub, *context, request, response, &server::Scrub);
}

}  // namespace dcac::server
