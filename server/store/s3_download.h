// An object of an S3 store that arrives in memory while its first bytes are already used.
#ifndef DCAC_SERVER_STORE_S3_DOWNLOAD_H_
#define DCAC_SERVER_STORE_S3_DOWNLOAD_H_

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/base/bytes.h"
#include "server/store/block_store.h"
#include "server/store/s3_client.h"

namespace dcac::store {

// Thread-safe.  Once bytes have come, they are not asked for again when the connection breaks: what is missing then is
// for the caller to fetch.
class S3Download {
 public:
  // Begins to fetch the first `max_bytes` of `object`.  The client must outlive it.
  S3Download(S3Client& client, std::string object, std::size_t max_bytes,
             std::chrono::steady_clock::time_point deadline);
  S3Download(const S3Download&) = delete;
  S3Download& operator=(const S3Download&) = delete;
  ~S3Download();  // gives up what has not come

  // Waits until `bytes` of it are there, or no more will come; gives those that are there.
  // Errors: those of S3Client::Get if nothing came, Cancelled and DeadlineExceeded of `control`.
  absl::StatusOr<ByteSpan> Await(std::size_t bytes, const CallControl& control);

  // Of the object, once bytes are there.
  std::string etag() const;
  std::uint64_t total_bytes() const;

 private:
  void Run(const std::string& object, std::chrono::steady_clock::time_point deadline);
  void OnReceived(const S3Got& got);

  S3Client& client_;
  const std::size_t max_bytes_;
  const std::unique_ptr<std::byte[]> memory_;
  std::atomic<bool> given_up_{false};

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  S3Got got_;
  std::size_t awaited_bytes_ = 0;  // the fewest that somebody waits for
  bool ended_ = false;
  absl::Status end_;
  std::thread thread_;
};

}  // namespace dcac::store

#endif  // DCAC_SERVER_STORE_S3_DOWNLOAD_H_
