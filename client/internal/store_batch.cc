#include "client/internal/store_batch.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/internal/exchange.h"
#include "client/internal/store_messages.h"
#include "core/base/status_macros.h"
#include "proto/wire/convert.h"
#include "proto/wire/limits.h"

namespace dcac::client::internal {
namespace {

template <typename Response>
absl::Status StatusOf(const Response& response) {
  return absl::Status(static_cast<absl::StatusCode>(response.code()), response.message());
}

}  // namespace

absl::Status PutBatch::Run(BatchPutCall& call) {
  next_ = 0;
  unanswered_.clear();
  DCAC_RETURN_IF_ERROR(RunExchange(
      call, [this] { return unanswered_.size() < wire::kMaxUnansweredChunks; }, [&] { return SendNext(call); },
      [this](const v1::BatchPutResponse& response, const wire::SharedPieces&) { return Receive(response); }));
  const auto open = std::ranges::count_if(items_, [this](std::size_t item) { return !results_.answered(item); });
  if (open == 0) return absl::OkStatus();
  return absl::InternalError(absl::StrCat("server: the call ended with ", open, " items unanswered"));
}

absl::StatusOr<bool> PutBatch::SendNext(BatchPutCall& call) {
  for (; next_ < items_.size(); ++next_) {
    const std::size_t item = items_[next_];
    if (results_.answered(item)) continue;
    absl::StatusOr<v1::BatchPutRequest> request = make_request_(item);
    if (!request.ok()) {
      results_.Set(item, request.status());
      continue;
    }
    request->set_item_id(item);
    unanswered_.push_back(item);
    ++next_;
    return call.Write(*request);
  }
  call.WritesDone();
  return false;
}

absl::Status PutBatch::Receive(const v1::BatchPutResponse& response) {
  if (unanswered_.empty() || response.item_id() != unanswered_.front()) {
    return absl::InternalError(absl::StrCat("server: a response to item ", response.item_id(), ", expected ",
                                            unanswered_.empty() ? "none" : absl::StrCat(unanswered_.front())));
  }
  unanswered_.pop_front();
  results_.Set(response.item_id(), response.code() == 0 ? FromProto(response.object()) : StatusOf(response));
  return absl::OkStatus();
}

v1::BatchGetRequest GetBatch::Request() const {
  v1::BatchGetRequest request;
  request.set_form(form_);
  for (const std::string& key : KeysOfRequest(keys_.subspan(next_))) request.add_keys(key);
  return request;
}

absl::Status GetBatch::Run(BatchGetCall& call) {
  const std::size_t first = next_;
  const std::size_t end = first + KeysOfRequest(keys_.subspan(first)).size();
  DCAC_RETURN_IF_ERROR(RunExchange(
      call, [] { return false; }, []() -> absl::StatusOr<bool> { return false; },
      [&](const v1::BatchGetResponse& response, const wire::SharedPieces&) { return Receive(response, first, end); }));
  if (next_ == end) return absl::OkStatus();
  return absl::InternalError(
      absl::StrCat("server: the call ended after ", next_ - first, " of ", end - first, " keys"));
}

absl::Status GetBatch::Receive(const v1::BatchGetResponse& response, std::size_t first, std::size_t end) {
  if (next_ == end || response.key_index() != next_ - first) {
    return absl::InternalError(absl::StrCat("server: a response to key ", response.key_index(), ", expected ",
                                            next_ == end ? "none" : absl::StrCat(next_ - first)));
  }
  const std::size_t item = next_++;
  if (response.code() == static_cast<int>(absl::StatusCode::kResourceExhausted)) {
    large_.push_back(item);
  } else if (response.code() != 0) {
    results_.Set(item, StatusOf(response));
  } else {
    absl::StatusOr<StoredObject> object = FromProto(response.object());
    results_.Set(item, object.ok() ? convert_(*std::move(object), wire::AsBytes(response.data())) : object.status());
  }
  return absl::OkStatus();
}

}  // namespace dcac::client::internal
