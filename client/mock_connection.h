// Connections made of scripted streams, for tests without a network.
#ifndef DCAC_CLIENT_MOCK_CONNECTION_H_
#define DCAC_CLIENT_MOCK_CONNECTION_H_

#include <gmock/gmock.h>

#include <cstddef>
#include <deque>
#include <memory>
#include <utility>
#include <vector>

#include "client/internal/connection.h"
#include "dcac/tensor.h"
#include "proto/wire/message_bytes.h"

namespace dcac::client {

// Of the tensors in most tests.
inline const TensorSpec kSpec{DType::kU8, {100}, Layout::kNchw};

// What a scripted server got, and what it answers.
template <typename Request, typename Response>
struct Script {
  std::vector<Request> requests;
  std::deque<Response> responses;
  absl::Status status;
  bool writes_done = false;
  bool cancelled = false;
  std::size_t fail_writes_after = ~std::size_t{0};
  std::vector<std::size_t> requests_at_reads;  // how many there were when each response was read
};

template <typename Request, typename Response>
class ScriptedStream final : public internal::Stream<Request, Response> {
 public:
  explicit ScriptedStream(Script<Request, Response>& script) : script_(script) {}

  bool Write(const Request& request) override {
    if (script_.requests.size() == script_.fail_writes_after) return false;
    script_.requests.push_back(request);
    return true;
  }
  bool WriteMore(const Request& request) override { return Write(request); }
  void WriteLast(const Request& request) override {
    if (Write(request)) WritesDone();
  }
  bool WriteChunk(Request& request, wire::SharedBytes data, bool /*more*/) override {
    if constexpr (requires { request.mutable_chunk(); }) {
      request.mutable_chunk()->set_data(data.bytes.data(), data.bytes.size());
    }
    return Write(request);
  }
  void WritesDone() override { script_.writes_done = true; }
  bool Read(Response* response, wire::SharedPieces* data) override {
    script_.requests_at_reads.push_back(script_.requests.size());
    if (script_.responses.empty()) return false;
    *response = std::move(script_.responses.front());
    script_.responses.pop_front();
    *data = wire::TakeChunkData(*response);
    return true;
  }
  void Cancel() override { script_.cancelled = true; }
  absl::Status Finish() override { return script_.cancelled ? absl::CancelledError() : script_.status; }

 private:
  Script<Request, Response>& script_;
};

class MockConnection : public internal::Connection {
 public:
  using CallContext = internal::CallContext;

  MockConnection() { ON_CALL(*this, ready).WillByDefault(::testing::Return(true)); }

  MOCK_METHOD(bool, ready, (), (override));
  MOCK_METHOD(bool, WaitUntilReady, (std::chrono::system_clock::time_point), (override));
  MOCK_METHOD(std::unique_ptr<internal::CompressCall>, Compress, (const CallContext&), (override));
  MOCK_METHOD(std::unique_ptr<internal::DecompressCall>, Decompress, (const CallContext&), (override));
  MOCK_METHOD(std::unique_ptr<internal::InspectCall>, Inspect, (const CallContext&), (override));
  MOCK_METHOD(std::unique_ptr<internal::BatchCompressCall>, BatchCompress, (const CallContext&), (override));
  MOCK_METHOD(absl::StatusOr<v1::CompressTensorResponse>, CompressTensor,
              (const CallContext&, const v1::CompressTensorRequest&), (override));
  MOCK_METHOD(absl::StatusOr<v1::DecompressTensorResponse>, DecompressTensor,
              (const CallContext&, const v1::DecompressTensorRequest&), (override));
  MOCK_METHOD(absl::StatusOr<v1::GetCapabilitiesResponse>, GetCapabilities, (const CallContext&), (override));
  MOCK_METHOD(absl::StatusOr<v1::GetStatusResponse>, GetStatus, (const CallContext&), (override));
  MOCK_METHOD(std::unique_ptr<internal::PutCall>, Put, (const CallContext&), (override));
  MOCK_METHOD(std::unique_ptr<internal::GetCall>, Get, (const CallContext&, const v1::GetRequest&), (override));
  MOCK_METHOD(std::unique_ptr<internal::BatchPutCall>, BatchPut, (const CallContext&), (override));
  MOCK_METHOD(std::unique_ptr<internal::BatchGetCall>, BatchGet, (const CallContext&, const v1::BatchGetRequest&),
              (override));
  MOCK_METHOD(absl::StatusOr<v1::QueryUploadResponse>, QueryUpload, (const CallContext&, const v1::QueryUploadRequest&),
              (override));
  MOCK_METHOD(absl::StatusOr<v1::FindMissingResponse>, FindMissing, (const CallContext&, const v1::FindMissingRequest&),
              (override));
  MOCK_METHOD(absl::StatusOr<v1::StatResponse>, Stat, (const CallContext&, const v1::StatRequest&), (override));
  MOCK_METHOD(absl::StatusOr<v1::ListResponse>, List, (const CallContext&, const v1::ListRequest&), (override));
  MOCK_METHOD(absl::StatusOr<v1::DeleteResponse>, Delete, (const CallContext&, const v1::DeleteRequest&), (override));
  MOCK_METHOD(absl::StatusOr<v1::DeletePrefixResponse>, DeletePrefix,
              (const CallContext&, const v1::DeletePrefixRequest&), (override));
  MOCK_METHOD(absl::StatusOr<v1::TouchResponse>, Touch, (const CallContext&, const v1::TouchRequest&), (override));
  MOCK_METHOD(absl::StatusOr<v1::PinResponse>, Pin, (const CallContext&, const v1::PinRequest&), (override));
  MOCK_METHOD(absl::StatusOr<v1::GetUsageResponse>, GetUsage, (const CallContext&, const v1::GetUsageRequest&),
              (override));
  MOCK_METHOD(absl::StatusOr<v1::ScrubResponse>, Scrub, (const CallContext&, const v1::ScrubRequest&), (override));
};

}  // namespace dcac::client

#endif  // DCAC_CLIENT_MOCK_CONNECTION_H_
