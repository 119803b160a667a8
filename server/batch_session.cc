#include "server/batch_session.h"

#include <oneapi/tbb/parallel_for.h>

#include <string>
#include <utility>

#include "core/base/status_macros.h"
#include "server/tensor_calls.h"

namespace dcac::server {
namespace {

absl::Status CompressItem(const v1::BatchCompressRequest& item, const Limits& limits, const WorkControl& control,
                          v1::BatchCompressResponse* reply, CallFacts* facts) {
  DCAC_RETURN_IF_ERROR(CheckItemBytes(item.data().size()));
  const TensorToEncode tensor{.spec = item.spec(),
                              .options = item.options(),
                              .data = item.data(),
                              .frame = reply->mutable_frame(),
                              .digest = reply->mutable_digest()};
  return EncodeTensor(tensor, limits, control, facts);
}

}  // namespace

absl::Status BatchSession::Accept(v1::BatchCompressRequest&& request) {
  items_.push_back(std::move(request));
  return absl::OkStatus();
}

absl::Status BatchSession::AcceptEnd() {
  ended_ = true;
  return absl::OkStatus();
}

absl::Status BatchSession::Work() {
  replies_ = std::vector<v1::BatchCompressResponse>(items_.size());
  next_reply_ = 0;
  std::vector<CallFacts> facts(items_.size());
  oneapi::tbb::parallel_for(std::size_t{0}, items_.size(), [&](std::size_t i) {
    const absl::Status status = CompressItem(items_[i], limits_, control(), &replies_[i], &facts[i]);
    if (!status.ok()) {
      replies_[i].clear_frame();
      replies_[i].set_code(static_cast<int>(status.code()));
      replies_[i].set_message(std::string(status.message()));
    }
    replies_[i].set_item_id(items_[i].item_id());
  });
  items_.clear();
  if (control().is_cancelled()) return absl::CancelledError("the call was cancelled");
  for (const CallFacts& item : facts) facts_.Add(item);
  return absl::OkStatus();
}

bool BatchSession::NextReply(v1::BatchCompressResponse* response) {
  if (next_reply_ == replies_.size()) return false;
  *response = std::move(replies_[next_reply_++]);
  return true;
}

std::uint64_t BatchSession::memory_bytes() const {
  // Items that wait, items that are worked on with their frames, replies that wait.
  return kMaxInputBytesInFlight + 2 * kMaxInputBytesInFlight + kMaxItemRepliesInFlight * wire::kMaxBatchItemBytes;
}

}  // namespace dcac::server
