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

namespace dcac::client::internal {

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

  // Says that no more requests come.
  virtual void WritesDone() = 0;

  // Waits for the next response.  False: there are no more, and Finish says why.
  virtual bool Read(Response* response) = 0;

  // Gives the call up; Finish is still to be called.
  virtual void Cancel() = 0;

  // Ends the call, exactly once; responses not read are dropped.
  virtual absl::Status Finish() = 0;
};

using CompressCall = Stream<v1::CompressRequest, v1::CompressResponse>;
using DecompressCall = Stream<v1::DecompressRequest, v1::DecompressResponse>;
using InspectCall = Stream<v1::InspectRequest, v1::InspectResponse>;
using BatchCompressCall = Stream<v1::BatchCompressRequest, v1::BatchCompressResponse>;

// Thread-safe.
class Connection {
 public:
  virtual ~Connection() = default;

  // Whether a call would reach a server now, as far as is known.
  virtual bool ready() = 0;

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
};

}  // namespace dcac::client::internal

#endif  // DCAC_CLIENT_INTERNAL_CONNECTION_H_
