// The RPCs of ActivationStoreService: one session and one reactor for each stream.
#ifndef DCAC_SERVER_STORE_SERVICE_IMPL_H_
#define DCAC_SERVER_STORE_SERVICE_IMPL_H_

#include "dcac/v1/store.grpc.pb.h"
#include "server/call_gate.h"
#include "server/idle_watch.h"
#include "server/io_pool.h"
#include "server/live_limits.h"
#include "server/store_context.h"
#include "server/stream_reactor.h"
#include "server/unary_reactor.h"
#include "server/worker_pool.h"

namespace dcac::server {

using StoreStreams = v1::ActivationStoreService::WithRawCallbackMethod_Put<
    v1::ActivationStoreService::WithRawCallbackMethod_Get<v1::ActivationStoreService::WithRawCallbackMethod_BatchPut<
        v1::ActivationStoreService::WithRawCallbackMethod_BatchGet<v1::ActivationStoreService::Service>>>>;
template <typename Base>
using StoreReadCalls = v1::ActivationStoreService::WithRawCallbackMethod_QueryUpload<
    v1::ActivationStoreService::WithRawCallbackMethod_FindMissing<
        v1::ActivationStoreService::WithRawCallbackMethod_Stat<v1::ActivationStoreService::WithRawCallbackMethod_List<
            v1::ActivationStoreService::WithRawCallbackMethod_GetUsage<Base>>>>>;
template <typename Base>
using StoreWriteCalls = v1::ActivationStoreService::WithRawCallbackMethod_Delete<
    v1::ActivationStoreService::WithRawCallbackMethod_DeletePrefix<
        v1::ActivationStoreService::WithRawCallbackMethod_Touch<v1::ActivationStoreService::WithRawCallbackMethod_Pin<
            v1::ActivationStoreService::WithRawCallbackMethod_Scrub<Base>>>>>;

// What its constructor gets must outlive all calls.
class StoreServiceImpl final : public StoreReadCalls<StoreWriteCalls<StoreStreams>> {
 public:
  StoreServiceImpl(store::BlockStore& store, const LiveLimits& limits, CallGate& gate, WorkerPool& workers,
                   IoPool& threads, IdleWatch& watch)
      : store_(store), limits_(limits), gate_(gate), workers_(workers), threads_(threads), watch_(watch) {}

  ByteReactor* Put(grpc::CallbackServerContext* context) override;
  ByteWriter* Get(grpc::CallbackServerContext* context, const grpc::ByteBuffer* request) override;
  ByteReactor* BatchPut(grpc::CallbackServerContext* context) override;
  ByteWriter* BatchGet(grpc::CallbackServerContext* context, const grpc::ByteBuffer* request) override;
  grpc::ServerUnaryReactor* QueryUpload(grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
                                        grpc::ByteBuffer* answer) override;
  grpc::ServerUnaryReactor* FindMissing(grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
                                        grpc::ByteBuffer* answer) override;
  grpc::ServerUnaryReactor* Stat(grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
                                 grpc::ByteBuffer* answer) override;
  grpc::ServerUnaryReactor* List(grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
                                 grpc::ByteBuffer* answer) override;
  grpc::ServerUnaryReactor* Delete(grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
                                   grpc::ByteBuffer* answer) override;
  grpc::ServerUnaryReactor* DeletePrefix(grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
                                         grpc::ByteBuffer* answer) override;
  grpc::ServerUnaryReactor* Touch(grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
                                  grpc::ByteBuffer* answer) override;
  grpc::ServerUnaryReactor* Pin(grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
                                grpc::ByteBuffer* answer) override;
  grpc::ServerUnaryReactor* GetUsage(grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
                                     grpc::ByteBuffer* answer) override;
  grpc::ServerUnaryReactor* Scrub(grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
                                  grpc::ByteBuffer* answer) override;

 private:
  StoreContext ContextOf(const Call& call, const grpc::CallbackServerContext& context) const;

  template <typename SessionType, typename Request, typename Response>
  ByteReactor* StartStream(Method method, grpc::CallbackServerContext& context);
  template <typename SessionType, typename Request, typename Response>
  ByteWriter* StartReading(Method method, grpc::CallbackServerContext& context, const grpc::ByteBuffer& request);
  template <typename Request, typename Response>
  grpc::ServerUnaryReactor* StartUnary(Method method, grpc::CallbackServerContext& context,
                                       const grpc::ByteBuffer& bytes, grpc::ByteBuffer* answer,
                                       absl::Status (*work)(const Request&, const StoreContext&, const WorkControl&,
                                                            Response*));

  store::BlockStore& store_;
  const LiveLimits& limits_;
  CallGate& gate_;
  WorkerPool& workers_;
  IoPool& threads_;
  IdleWatch& watch_;
};

}  // namespace dcac::server

#endif  // DCAC_SERVER_STORE_SERVICE_IMPL_H_
