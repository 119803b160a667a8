// What the client needs of a transport.  Tests put their own in place of the network.
#ifndef DCAC_CLIENT_INTERNAL_CONNECTION_H_
#define DCAC_CLIENT_INTERNAL_CONNECTION_H_

#include <chrono>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "dcac/client_options.h"
#include "dcac/v1/admin.pb.h"
#include "dcac/v1/compression.pb.h"
#include "dcac/v1/store.pb.h"
#include "proto/wire/shared_bytes.h"

namespace dcac::client::internal {

// How long an unreachable target may keep others from being looked at.
inline constexpr std::chrono::milliseconds kConnectSlice{20};

// Of one call, in all its attempts.
struct CallContext {
  static constexpr auto kNoDeadline = std::chrono::steady_clock::time_point::max();

  std::chrono::steady_clock::time_point deadline = kNoDeadline;
  CancelToken cancel;
  std::string traceparent;  // empty: none
  bool repeats = true;      // whether it may have more than one attempt
};

// One bidirectional call, used by one thread.
template <typename Request, typename Response>
class Stream {
 public:
  virtual ~Stream() = default;

  // Sends a request.  False: the call has ended, and Finish says how.
  virtual bool Write(const Request& request) = 0;

  // Write when another request follows at once, and when none follows: what is small is sent with what comes next.
  virtual bool WriteMore(const Request& request) = 0;
  virtual void WriteLast(const Request& request) = 0;

  // Write, or where `more` WriteMore, of a request whose chunk gets `data`; what else it says is lost.
  virtual bool WriteChunk(Request& request, wire::SharedBytes data, bool more) = 0;

  // Says that no more requests come.
  virtual void WritesDone() = 0;

  // Waits for the next response, and gives the data of its chunk, which has none then, as they came.  False: there are
  // no more, and Finish says why.
  virtual bool Read(Response* response, wire::SharedPieces* data) = 0;

  // Gives the call up; Finish is still to be called.
  virtual void Cancel() = 0;

  // Ends the call, exactly once; responses not read are dropped.
  virtual absl::Status Finish() = 0;
};

using CompressCall = Stream<v1::CompressRequest, v1::CompressResponse>;
using DecompressCall = Stream<v1::DecompressRequest, v1::DecompressResponse>;
using InspectCall = Stream<v1::InspectRequest, v1::InspectResponse>;
using BatchCompressCall = Stream<v1::BatchCompressRequest, v1::BatchCompressResponse>;
using BatchPutCall = Stream<v1::BatchPutRequest, v1::BatchPutResponse>;
using BatchGetCall = Stream<v1::BatchGetRequest, v1::BatchGetResponse>;  // as GetCall
using PutCall = Stream<v1::PutRequest, v1::PutResponse>;
using GetCall = Stream<v1::GetRequest, v1::GetResponse>;  // the request is sent by whoever makes it

// Thread-safe.
class Connection {
 public:
  virtual ~Connection() = default;

  // Whether a call would reach a server now, as far as is known.
  virtual bool ready() = 0;

  // Waits for that, no longer than this.  Connections are made only while somebody waits for one.
  virtual bool WaitUntilReady(std::chrono::system_clock::time_point until) = 0;

  virtual std::unique_ptr<CompressCall> Compress(const CallContext& context) = 0;
  virtual std::unique_ptr<DecompressCall> Decompress(const CallContext& context) = 0;
  virtual std::unique_ptr<InspectCall> Inspect(const CallContext& context) = 0;
  virtual std::unique_ptr<BatchCompressCall> BatchCompress(const CallContext& context) = 0;
  virtual absl::StatusOr<v1::CompressTensorResponse> CompressTensor(const CallContext& context,
                                                                    const v1::CompressTensorRequest& request) = 0;
  virtual absl::StatusOr<v1::DecompressTensorResponse> DecompressTensor(const CallContext& context,
                                                                        const v1::DecompressTensorRequest& request) = 0;
  virtual absl::StatusOr<v1::GetCapabilitiesResponse> GetCapabilities(const CallContext& context) = 0;
  virtual absl::StatusOr<v1::GetStatusResponse> GetStatus(const CallContext& context) = 0;

  // Those of the store.
  virtual std::unique_ptr<PutCall> Put(const CallContext& context) = 0;
  virtual std::unique_ptr<GetCall> Get(const CallContext& context, const v1::GetRequest& request) = 0;
  virtual std::unique_ptr<BatchPutCall> BatchPut(const CallContext& context) = 0;
  virtual std::unique_ptr<BatchGetCall> BatchGet(const CallContext& context, const v1::BatchGetRequest& request) = 0;
  virtual absl::StatusOr<v1::QueryUploadResponse> QueryUpload(const CallContext& context,
                                                              const v1::QueryUploadRequest& request) = 0;
  virtual absl::StatusOr<v1::FindMissingResponse> FindMissing(const CallContext& context,
                                                              const v1::FindMissingRequest& request) = 0;
  virtual absl::StatusOr<v1::StatResponse> Stat(const CallContext& context, const v1::StatRequest& request) = 0;
  virtual absl::StatusOr<v1::ListResponse> List(const CallContext& context, const v1::ListRequest& request) = 0;
  virtual absl::StatusOr<v1::DeleteResponse> Delete(const CallContext& context, const v1::DeleteRequest& request) = 0;
  virtual absl::StatusOr<v1::DeletePrefixResponse> DeletePrefix(const CallContext& context,
                                                                const v1::DeletePrefixRequest& request) = 0;
  virtual absl::StatusOr<v1::TouchResponse> Touch(const CallContext& context, const v1::TouchRequest& request) = 0;
  virtual absl::StatusOr<v1::PinResponse> Pin(const CallContext& context, const v1::PinRequest& request) = 0;
  virtual absl::StatusOr<v1::GetUsageResponse> GetUsage(const CallContext& context,
                                                        const v1::GetUsageRequest& request) = 0;
  virtual absl::StatusOr<v1::ScrubResponse> Scrub(const CallContext& context, const v1::ScrubRequest& request) = 0;
};

}  // namespace dcac::client::internal

#endif  // DCAC_CLIENT_INTERNAL_CONNECTION_H_
