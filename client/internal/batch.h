// Many small tensors in one stream.
#ifndef DCAC_CLIENT_INTERNAL_BATCH_H_
#define DCAC_CLIENT_INTERNAL_BATCH_H_

#include <cstddef>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/internal/connection.h"
#include "dcac/client.h"

namespace dcac::client::internal {

// The items of a batch that are still to be compressed, and what became of the others.
class Batch {
 public:
  using Result = absl::StatusOr<std::vector<std::byte>>;

  explicit Batch(std::span<const BatchItem> items);

  // Items that are too large for the stream; they are the caller's to do.
  const std::vector<std::size_t>& large() const { return large_; }
  bool done() const { return next_ == small_.size(); }

  // Compresses what is left of the others.  After an error what was answered stays, and another call may do the rest.
  // Errors: Internal (the server broke the protocol), those of the call.
  absl::Status Run(BatchCompressCall& call);

  void Set(std::size_t item, Result result) { results_[item] = std::move(result); }

  // The results in the order of the items; those that are left have `status`, which is not OK then.
  std::vector<Result> Take(const absl::Status& status) &&;

 private:
  absl::Status Receive(v1::BatchCompressResponse& response);
  v1::BatchCompressRequest Request(std::size_t item) const;

  const std::span<const BatchItem> items_;
  std::vector<std::size_t> small_, large_;
  std::size_t next_ = 0;  // of small_: the first that is not answered
  std::vector<Result> results_;
};

}  // namespace dcac::client::internal

#endif  // DCAC_CLIENT_INTERNAL_BATCH_H_
