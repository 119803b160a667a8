#include "tests/integration/raw_calls.h"

#include <chrono>

#include "dcac/v1/admin.grpc.pb.h"
#include "dcac/v1/compression.grpc.pb.h"
#include "dcac/v1/store.grpc.pb.h"

namespace dcac::testing {
namespace {

template <typename Response, typename Stream>
grpc::Status ReadAll(const std::unique_ptr<Stream>& stream) {
  Response response;
  while (stream->Read(&response)) {
  }
  return stream->Finish();
}

template <typename Response, typename Stream>
grpc::Status EndStream(const std::unique_ptr<Stream>& stream) {
  stream->WritesDone();
  return ReadAll<Response>(stream);
}

using Store = v1::ActivationStoreService::Stub;

template <typename Request, typename Response>
grpc::Status Unary(Store& stub, grpc::ClientContext& context,
                   grpc::Status (Store::*method)(grpc::ClientContext*, const Request&, Response*)) {
  Response response;
  return (stub.*method)(&context, Request(), &response);
}

grpc::Status CallStore(Store& stub, server::Method method, grpc::ClientContext& context) {
  switch (method) {
    case server::Method::kPut:
      return EndStream<v1::PutResponse>(stub.Put(&context));
    case server::Method::kGet:
      return ReadAll<v1::GetResponse>(stub.Get(&context, v1::GetRequest()));
    case server::Method::kBatchPut:
      return EndStream<v1::BatchPutResponse>(stub.BatchPut(&context));
    case server::Method::kBatchGet:
      return ReadAll<v1::BatchGetResponse>(stub.BatchGet(&context, v1::BatchGetRequest()));
    case server::Method::kQueryUpload:
      return Unary(stub, context, &Store::QueryUpload);
    case server::Method::kFindMissing:
      return Unary(stub, context, &Store::FindMissing);
    case server::Method::kStat:
      return Unary(stub, context, &Store::Stat);
    case server::Method::kList:
      return Unary(stub, context, &Store::List);
    case server::Method::kDelete:
      return Unary(stub, context, &Store::Delete);
    case server::Method::kDeletePrefix:
      return Unary(stub, context, &Store::DeletePrefix);
    case server::Method::kTouch:
      return Unary(stub, context, &Store::Touch);
    case server::Method::kPin:
      return Unary(stub, context, &Store::Pin);
    case server::Method::kGetUsage:
      return Unary(stub, context, &Store::GetUsage);
    case server::Method::kScrub:
      return Unary(stub, context, &Store::Scrub);
    default:
      return {grpc::StatusCode::INTERNAL, "no such method"};
  }
}

}  // namespace

std::shared_ptr<grpc::Channel> MakeChannel(const std::string& address,
                                           const std::shared_ptr<grpc::ChannelCredentials>& credentials,
                                           const std::string& server_name) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  if (!server_name.empty()) arguments.SetSslTargetNameOverride(server_name);
  return grpc::CreateCustomChannel(address, credentials, arguments);
}

Metadata WithToken(const std::string& token) {
  return {{"authorization", "Bearer " + token}};
}

void AddMetadata(const Metadata& metadata, grpc::ClientContext& context) {
  for (const auto& [key, value] : metadata) context.AddMetadata(key, value);
  context.set_deadline(std::chrono::system_clock::now() + kHung);
}

grpc::Status Call(const std::shared_ptr<grpc::Channel>& channel, server::Method method, const Metadata& metadata) {
  grpc::ClientContext context;
  AddMetadata(metadata, context);
  const auto stub = v1::CompressionService::NewStub(channel);
  switch (method) {
    case server::Method::kCompress:
      return EndStream<v1::CompressResponse>(stub->Compress(&context));
    case server::Method::kDecompress:
      return EndStream<v1::DecompressResponse>(stub->Decompress(&context));
    case server::Method::kInspect:
      return EndStream<v1::InspectResponse>(stub->Inspect(&context));
    case server::Method::kBatchCompress:
      return EndStream<v1::BatchCompressResponse>(stub->BatchCompress(&context));
    case server::Method::kCompressTensor: {
      v1::CompressTensorResponse response;
      return stub->CompressTensor(&context, v1::CompressTensorRequest(), &response);
    }
    case server::Method::kDecompressTensor: {
      v1::DecompressTensorResponse response;
      return stub->DecompressTensor(&context, v1::DecompressTensorRequest(), &response);
    }
    case server::Method::kGetCapabilities: {
      v1::GetCapabilitiesResponse response;
      return stub->GetCapabilities(&context, v1::GetCapabilitiesRequest(), &response);
    }
    case server::Method::kGetStatus: {
      v1::GetStatusResponse response;
      return v1::AdminService::NewStub(channel)->GetStatus(&context, v1::GetStatusRequest(), &response);
    }
    default:
      return CallStore(*v1::ActivationStoreService::NewStub(channel), method, context);
  }
}

void WriteFrame(std::span<const std::byte> frame, DecompressStream& call, std::uint64_t stored_bytes) {
  v1::DecompressRequest request;
  request.mutable_header()->set_stored_bytes(stored_bytes);
  if (!call.Write(request)) return;
  request.mutable_chunk()->set_data(frame.data(), frame.size());
  call.Write(request);
}

v1::BatchCompressRequest BatchItem() {
  v1::BatchCompressRequest request;
  request.mutable_spec()->set_dtype(v1::DATA_TYPE_U8);
  request.mutable_spec()->add_shape(64);
  request.mutable_spec()->set_layout(v1::LAYOUT_FLAT);
  request.set_data(std::string(64, 'x'));
  return request;
}

}  // namespace dcac::testing
