#include "server/store/s3_download.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "core/base/status_macros.h"
#include "server/store/checks.h"

namespace dcac::store {
namespace {

constexpr std::chrono::milliseconds kLookForCancellation{20};

}  // namespace

S3Download::S3Download(S3Client& client, std::string object, std::size_t max_bytes,
                       std::chrono::steady_clock::time_point deadline)
    : client_(client),
      max_bytes_(max_bytes),
      // Not filled with zeros, so that what a small object does not use costs nothing.
      memory_(std::make_unique_for_overwrite<std::byte[]>(max_bytes)),
      thread_([this, name = std::move(object), deadline] { Run(name, deadline); }) {}

S3Download::~S3Download() {
  given_up_ = true;
  thread_.join();
}

void S3Download::Run(const std::string& object, std::chrono::steady_clock::time_point deadline) {
  const CallControl control{.deadline = deadline, .cancelled = &given_up_};
  const auto got =
      client_.Get(object, 0, {memory_.get(), max_bytes_}, control, [this](const S3Got& so_far) { OnReceived(so_far); });
  const std::scoped_lock lock(mutex_);
  if (got.ok()) got_ = *got;
  end_ = got.status();
  ended_ = true;
  changed_.notify_all();
}

void S3Download::OnReceived(const S3Got& got) {
  const std::scoped_lock lock(mutex_);
  got_ = got;
  if (got_.bytes < awaited_bytes_) return;
  awaited_bytes_ = std::numeric_limits<std::size_t>::max();
  changed_.notify_all();
}

absl::StatusOr<ByteSpan> S3Download::Await(std::size_t bytes, const CallControl& control) {
  std::unique_lock lock(mutex_);
  while (got_.bytes < bytes && !ended_) {
    DCAC_RETURN_IF_ERROR(CheckControl(control));
    awaited_bytes_ = std::min(awaited_bytes_, bytes);
    changed_.wait_for(lock, kLookForCancellation);
  }
  if (got_.bytes == 0 && !end_.ok()) return end_;
  return ByteSpan(memory_.get(), got_.bytes);
}

std::string S3Download::etag() const {
  const std::scoped_lock lock(mutex_);
  return got_.etag;
}

std::uint64_t S3Download::total_bytes() const {
  const std::scoped_lock lock(mutex_);
  return got_.total_bytes;
}

}  // namespace dcac::store
