#include "client/internal/batch.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "client/internal/exchange.h"
#include "proto/wire/convert.h"
#include "proto/wire/limits.h"

namespace dcac::client::internal {

Batch::Batch(std::span<const BatchItem> items) : items_(items), results_(items.size()) {
  for (std::size_t i = 0; i < items.size(); ++i) {
    (items[i].data.size() <= wire::kMaxBatchItemBytes ? small_ : large_).push_back(i);
  }
}

v1::BatchCompressRequest Batch::Request(std::size_t item) const {
  v1::BatchCompressRequest request;
  request.set_item_id(item);
  wire::ToProto(items_[item].spec, request.mutable_spec());
  wire::ToProto(items_[item].options, request.mutable_options());
  request.set_data(items_[item].data.data(), items_[item].data.size());
  return request;
}

absl::Status Batch::Receive(v1::BatchCompressResponse& response) {
  if (done() || response.item_id() != small_[next_]) {
    return absl::InternalError(absl::StrCat("server: a response to item ", response.item_id(), ", expected ",
                                            done() ? "none" : absl::StrCat(small_[next_])));
  }
  const std::size_t item = small_[next_++];
  if (response.code() != 0) {
    results_[item] = absl::Status(static_cast<absl::StatusCode>(response.code()), response.message());
  } else if (response.digest() != wire::ToProto(ComputeDigest(items_[item].data))) {
    results_[item] = absl::DataLossError("digest of the tensor differs from the response's");
  } else {
    const auto frame = wire::AsBytes(response.frame());
    results_[item] = std::vector<std::byte>(frame.begin(), frame.end());
  }
  return absl::OkStatus();
}

absl::Status Batch::Run(BatchCompressCall& call) {
  std::size_t sent = next_;
  const auto has_credit = [&] { return sent - next_ < wire::kMaxUnansweredChunks; };
  const auto send = [&]() -> absl::StatusOr<bool> {
    if (sent < small_.size()) return call.Write(Request(small_[sent++]));
    call.WritesDone();
    return false;
  };
  const auto receive = [&](v1::BatchCompressResponse& response, const wire::SharedPieces&) {
    if (next_ == sent) return absl::InternalError("server: a response to an item before its request");
    return Receive(response);
  };
  const absl::Status status = RunExchange(call, has_credit, send, receive);
  if (!status.ok() || done()) return status;
  return absl::InternalError(absl::StrCat("server: the call ended after ", next_, " of ", small_.size(), " items"));
}

std::vector<Batch::Result> Batch::Take(const absl::Status& status) && {
  for (std::size_t i = next_; i < small_.size(); ++i) results_[small_[i]] = status;
  return std::move(results_);
}

}  // namespace dcac::client::internal
