// The few verbs on objects that are asked of an S3 store, with retries.
#ifndef DCAC_SERVER_STORE_S3_CLIENT_H_
#define DCAC_SERVER_STORE_S3_CLIENT_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/store/aws_credentials.h"
#include "server/store/block_store.h"
#include "server/store/http_client.h"

namespace dcac::store {

struct S3ClientOptions {
  std::string bucket;
  std::string endpoint;  // "http://host:port"; empty: AWS itself
  std::string region = "us-east-1";
  AwsCredentials credentials;
  // Called when the store refuses credentials, as it does temporary ones that have expired: others may have come. Null:
  // there are no others.  Called by one thread at a time.
  std::function<absl::StatusOr<AwsCredentials>()> read_credentials;
  HttpTimeouts timeouts;
  // A request is sent again after no answer, or one that asks for patience, for so long; the deadline of the call if
  // that is earlier.  The first wait, doubled each time; at random between half and all of it.
  std::chrono::milliseconds retry_for{15'000};
  std::chrono::milliseconds first_wait{50};
  std::function<Time()> clock;
};

struct S3Got {
  std::size_t bytes = 0;          // that were read
  std::uint64_t total_bytes = 0;  // of the object
  std::string etag;
};

struct S3Entry {
  std::string name;
  std::uint64_t size_bytes = 0;
};

struct S3ListPage {
  std::vector<S3Entry> entries;  // in the order of their names' bytes
  bool more = false;
};

// Thread-safe.  Errors of every verb: Unavailable (the store is away), FailedPrecondition (no such bucket, or it
// refuses these credentials), DeadlineExceeded, Cancelled, Internal (an answer that makes no sense).  What the server
// says of one beside its code, which may name buckets and keys of anybody, is for operators (operator_text.h).
class S3Client {
 public:
  explicit S3Client(S3ClientOptions options);

  // An object of at most 5 GiB from pieces, at once.  Errors: AlreadyExists (`if_absent`, and there is one; which a
  // request of this very call may have written, whose answer was lost).
  absl::Status Put(const std::string& name, std::vector<std::span<const std::byte>> pieces, bool if_absent,
                   const CallControl& control);

  // In place of the object whose ETag that is, in the form that the server takes.  Errors: Aborted (there is another
  // one or none; a request of this very call, whose answer was lost, may have put it).
  absl::Status PutIfMatch(const std::string& name, std::vector<std::span<const std::byte>> pieces,
                          const std::string& etag, const CallControl& control);

  // Fills `out` from `offset` on, as far as the object goes.  Errors: NotFound.
  absl::StatusOr<S3Got> Get(const std::string& name, std::uint64_t offset, std::span<std::byte> out,
                            const CallControl& control);

  // No error if there is none.
  absl::Status Delete(const std::string& name, const CallControl& control);

  // At most 1000 names that begin with `prefix` and come after `start_after`.  Errors: Internal also where the store
  // lists others, or not in their order: who goes on after the last one might do so for ever.
  absl::StatusOr<S3ListPage> List(const std::string& prefix, const std::string& start_after, std::size_t limit,
                                  const CallControl& control);

 private:
  struct Call {
    std::string method;
    std::string name;  // empty: of the bucket
    std::map<std::string, std::string> query;
    std::map<std::string, std::string> headers;
    std::vector<std::span<const std::byte>> body;
    std::span<std::byte> out;
  };

  // Sends the call until its answer is final; that is given out if its status is good.
  absl::StatusOr<HttpResponse> Do(const Call& call, const CallControl& control);
  absl::StatusOr<HttpResponse> Once(const Call& call, const AwsCredentials& credentials, const CallControl& control);
  AwsCredentials Credentials() const;
  // Whether there are others now than those that were refused.
  bool HasOthers(const AwsCredentials& refused);
  static absl::Status ErrorOf(const Call& call, const HttpResponse& response);
  static absl::Status ErrorOf(const Call& call, int status, const std::string& code);

  const S3ClientOptions options_;
  std::string url_;   // of the bucket, without a '/' at the end
  std::string host_;  // as it is signed
  std::string path_;  // of the bucket: "", or "/bucket"
  std::unique_ptr<HttpClient> http_;
  mutable std::mutex credentials_mutex_;
  AwsCredentials credentials_;
};

// Calls `call` with 0 .. `count` - 1, at most `parallel` at a time, in the calling thread too; fewer at a time where
// there can be no more threads.  What `call` throws ends all of it, and is thrown in the calling thread.
void InParallel(std::size_t count, std::size_t parallel, const std::function<void(std::size_t)>& call);

}  // namespace dcac::store

#endif  // DCAC_SERVER_STORE_S3_CLIENT_H_
