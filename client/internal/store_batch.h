// Many small tensors to and from the store, in one stream.
#ifndef DCAC_CLIENT_INTERNAL_STORE_BATCH_H_
#define DCAC_CLIENT_INTERNAL_STORE_BATCH_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/internal/connection.h"
#include "dcac/client_store.h"

namespace dcac::client::internal {

// What becomes of each item of a batch: a result, once it is answered.
template <typename T>
class BatchResults {
 public:
  explicit BatchResults(std::size_t items) : results_(items) {}

  bool answered(std::size_t item) const { return results_[item].has_value(); }
  std::uint64_t num_answered() const { return num_answered_; }
  void Set(std::size_t item, absl::StatusOr<T> result) {
    if (!answered(item)) ++num_answered_;
    results_[item] = std::move(result);
  }

  // All of them in order; those that are left have `status`, which is not OK then.
  std::vector<absl::StatusOr<T>> Take(const absl::Status& status) && {
    std::vector<absl::StatusOr<T>> all;
    all.reserve(results_.size());
    for (std::optional<absl::StatusOr<T>>& result : results_) all.push_back(result ? *std::move(result) : status);
    return all;
  }

 private:
  std::vector<std::optional<absl::StatusOr<T>>> results_;
  std::uint64_t num_answered_ = 0;
};

// The items of a BatchPut that are still to be stored.
class PutBatch {
 public:
  // The request of an item, whose id is not set yet; its error is the item's.
  using MakeRequest = std::function<absl::StatusOr<v1::BatchPutRequest>(std::size_t item)>;

  // `items`: those for the stream, in ascending order.  `results`: of these and others.
  PutBatch(std::vector<std::size_t> items, MakeRequest make_request, BatchResults<StoredObject>& results)
      : items_(std::move(items)), make_request_(std::move(make_request)), results_(results) {}

  // Stores what is left.  After an error what was answered stays, and another call may do the rest.
  // Errors: Internal (the server broke the protocol), those of the call.
  absl::Status Run(BatchPutCall& call);

 private:
  absl::StatusOr<bool> SendNext(BatchPutCall& call);
  absl::Status Receive(const v1::BatchPutResponse& response);

  const std::vector<std::size_t> items_;
  const MakeRequest make_request_;
  BatchResults<StoredObject>& results_;
  std::size_t next_ = 0;                // of items_: the next one to be sent in this call
  std::deque<std::size_t> unanswered_;  // items, in this call
};

// The keys of a BatchGet that are still to be read.
class GetBatch {
 public:
  // Makes of an object and its bytes what the caller gets.
  using Convert = std::function<absl::StatusOr<StoredTensor>(StoredObject object, std::span<const std::byte> data)>;

  GetBatch(std::span<const std::string> keys, v1::ObjectForm form, Convert convert, BatchResults<StoredTensor>& results)
      : keys_(keys), form_(form), convert_(std::move(convert)), results_(results) {}

  bool done() const { return next_ == keys_.size(); }
  // Too large for the stream, each to be read for itself.
  const std::vector<std::size_t>& large() const { return large_; }

  // Asks for the next keys, as many as one call may have.
  v1::BatchGetRequest Request() const;
  // Takes their answers.  After an error what was answered stays, and Request asks for the rest.
  absl::Status Run(BatchGetCall& call);

 private:
  absl::Status Receive(const v1::BatchGetResponse& response, std::size_t first, std::size_t end);

  const std::span<const std::string> keys_;
  const v1::ObjectForm form_;
  const Convert convert_;
  BatchResults<StoredTensor>& results_;
  std::size_t next_ = 0;  // the first key that is not answered
  std::vector<std::size_t> large_;
};

}  // namespace dcac::client::internal

#endif  // DCAC_CLIENT_INTERNAL_STORE_BATCH_H_
