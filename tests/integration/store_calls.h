// The calls of the store through generated stubs, for the tests of what they promise.
#ifndef DCAC_TESTS_INTEGRATION_STORE_CALLS_H_
#define DCAC_TESTS_INTEGRATION_STORE_CALLS_H_

#include <grpcpp/grpcpp.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "dcac/tensor.h"
#include "dcac/v1/store.grpc.pb.h"
#include "tests/integration/fixture.h"
#include "tests/integration/raw_calls.h"

namespace dcac::testing {

struct PutOutcome {
  grpc::Status status;
  std::string upload_id;
  std::uint64_t committed_bytes = 0;
  v1::StoredObject object;
};

struct GetOutcome {
  grpc::Status status;
  Bytes bytes;
  v1::GetStart start;
  v1::GetTrailer trailer;
};

// One tenant's view of a store.
class StoreClient {
 public:
  explicit StoreClient(const std::string& address, std::string tenant = "");

  // From byte `begin` of the input on; without `end` the stream breaks off, once what was sent is acknowledged.
  PutOutcome Put(const v1::PutHeader& header, std::span<const std::byte> input, std::uint64_t begin = 0,
                 bool end = true, const std::string& digest = "") const;
  GetOutcome Get(const v1::GetRequest& request) const;
  GetOutcome Get(const std::string& key) const;
  grpc::Status Stat(const std::string& key, v1::StoredObject* object = nullptr) const;
  grpc::Status QueryUpload(const std::string& upload_id, std::uint64_t* committed_bytes) const;

  template <typename Request, typename Response>
  grpc::Status Call(grpc::Status (v1::ActivationStoreService::Stub::*method)(grpc::ClientContext*, const Request&,
                                                                             Response*),
                    const Request& request, Response* response) const {
    grpc::ClientContext context;
    Prepare(context);
    return (stub_.get()->*method)(&context, request, response);
  }

  v1::ActivationStoreService::Stub& stub() const { return *stub_; }
  void Prepare(grpc::ClientContext& context) const;

 private:
  const std::string tenant_;
  const std::unique_ptr<v1::ActivationStoreService::Stub> stub_;
};

// In small segments, so that there are many.
inline constexpr std::uint64_t kSegmentBytes = std::uint64_t{32} << 10;
v1::PutHeader TensorHeader(const std::string& key, const TensorSpec& spec);
v1::PutHeader FrameHeader(const std::string& key, std::uint64_t stored_bytes);
v1::PutHeader ArchiveHeader(const std::string& key, std::uint64_t stored_bytes, std::uint64_t raw_bytes);

}  // namespace dcac::testing

#endif  // DCAC_TESTS_INTEGRATION_STORE_CALLS_H_
