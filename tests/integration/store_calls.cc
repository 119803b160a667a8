#include "tests/integration/store_calls.h"

#include <algorithm>
#include <utility>

#include "proto/wire/convert.h"

namespace dcac::testing {
namespace {

constexpr std::size_t kChunkBytes = std::size_t{64} << 10;

v1::PutRequest HeaderRequest(const v1::PutHeader& header) {
  v1::PutRequest request;
  *request.mutable_header() = header;
  return request;
}

using PutStream = grpc::ClientReaderWriter<v1::PutRequest, v1::PutResponse>;

// Reads until `consumed` bytes are worked off, or to the end, but one reply at least.
void ReadReplies(PutStream& stream, std::uint64_t consumed, PutOutcome* outcome) {
  v1::PutResponse response;
  while (stream.Read(&response)) {
    if (!response.upload_id().empty()) outcome->upload_id = response.upload_id();
    outcome->committed_bytes = response.committed_bytes();
    if (response.has_object()) outcome->object = response.object();
    if (response.consumed_bytes() >= consumed) return;
  }
}

}  // namespace

StoreClient::StoreClient(const std::string& address, std::string tenant)
    : tenant_(std::move(tenant)),
      stub_(v1::ActivationStoreService::NewStub(MakeChannel(address, grpc::InsecureChannelCredentials()))) {}

void StoreClient::Prepare(grpc::ClientContext& context) const {
  AddMetadata(tenant_.empty() ? Metadata() : Metadata{{"dcac-tenant", tenant_}}, context);
}

PutOutcome StoreClient::Put(const v1::PutHeader& header, std::span<const std::byte> input, std::uint64_t begin,
                            bool end, const std::string& digest) const {
  grpc::ClientContext context;
  Prepare(context);
  const auto stream = stub_->Put(&context);
  PutOutcome outcome;
  stream->Write(HeaderRequest(header));
  ReadReplies(*stream, 0, &outcome);
  bool open = !outcome.upload_id.empty();
  for (std::uint64_t offset = begin; open && offset < input.size();) {
    const std::size_t size = std::min<std::size_t>(kChunkBytes, input.size() - offset);
    v1::PutRequest request;
    request.mutable_chunk()->set_offset(offset);
    request.mutable_chunk()->set_data(input.data() + offset, size);
    offset += size;
    open = stream->Write(request);
    if (open) ReadReplies(*stream, offset, &outcome);
  }
  if (!end) context.TryCancel();
  if (!digest.empty()) {
    v1::PutRequest request;
    request.mutable_trailer()->set_digest(digest);
    request.mutable_trailer()->set_raw_bytes(input.size());
    stream->Write(request);
  }
  stream->WritesDone();
  ReadReplies(*stream, ~std::uint64_t{0}, &outcome);
  outcome.status = stream->Finish();
  return outcome;
}

GetOutcome StoreClient::Get(const v1::GetRequest& request) const {
  grpc::ClientContext context;
  Prepare(context);
  const auto stream = stub_->Get(&context, request);
  GetOutcome outcome;
  v1::GetResponse response;
  while (stream->Read(&response)) {
    if (response.has_start()) outcome.start = response.start();
    if (response.has_trailer()) outcome.trailer = response.trailer();
    const auto data = wire::AsBytes(response.chunk().data());
    outcome.bytes.insert(outcome.bytes.end(), data.begin(), data.end());
  }
  outcome.status = stream->Finish();
  return outcome;
}

GetOutcome StoreClient::Get(const std::string& key) const {
  v1::GetRequest request;
  request.set_key(key);
  return Get(request);
}

grpc::Status StoreClient::Stat(const std::string& key, v1::StoredObject* object) const {
  v1::StatRequest request;
  request.set_key(key);
  v1::StatResponse response;
  grpc::Status status = Call(&v1::ActivationStoreService::Stub::Stat, request, &response);
  if (object != nullptr) *object = response.object();
  return status;
}

grpc::Status StoreClient::QueryUpload(const std::string& upload_id, std::uint64_t* committed_bytes) const {
  v1::QueryUploadRequest request;
  request.set_upload_id(upload_id);
  v1::QueryUploadResponse response;
  grpc::Status status = Call(&v1::ActivationStoreService::Stub::QueryUpload, request, &response);
  *committed_bytes = response.committed_bytes();
  return status;
}

v1::PutHeader TensorHeader(const std::string& key, const TensorSpec& spec) {
  v1::PutHeader header;
  header.set_key(key);
  wire::ToProto(spec, header.mutable_tensor()->mutable_spec());
  header.mutable_tensor()->mutable_options()->set_segment_bytes(kSegmentBytes);
  return header;
}

v1::PutHeader FrameHeader(const std::string& key, std::uint64_t stored_bytes) {
  v1::PutHeader header;
  header.set_key(key);
  header.mutable_frame()->set_stored_bytes(stored_bytes);
  return header;
}

v1::PutHeader ArchiveHeader(const std::string& key, std::uint64_t stored_bytes, std::uint64_t raw_bytes) {
  v1::PutHeader header;
  header.set_key(key);
  header.mutable_archive()->set_stored_bytes(stored_bytes);
  header.mutable_archive()->set_raw_bytes(raw_bytes);
  return header;
}

}  // namespace dcac::testing
