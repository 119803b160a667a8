// The bytes of an object, or of a part of it, in the form that a caller asks for.
#ifndef DCAC_SERVER_OBJECT_READER_H_
#define DCAC_SERVER_OBJECT_READER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "dcac/tensor.h"
#include "dcac/v1/store.pb.h"
#include "server/store_context.h"
#include "server/work_control.h"

namespace dcac::server {

// One thread at a time.  After an error it is to be thrown away.
class ObjectReader {
 public:
  virtual ~ObjectReader() = default;

  // Errors: NotFound, DataLoss, Aborted (if_version), InvalidArgument (the part is outside, or none of an archive),
  // ResourceExhausted (limits, max_bytes).
  static absl::StatusOr<std::unique_ptr<ObjectReader>> Open(const v1::GetRequest& request, const StoreContext& context,
                                                            const WorkControl& control);

  // The next bytes; none at the end, when all that was to be checked is.
  // Errors: DataLoss, those of the store.
  virtual absl::StatusOr<std::vector<std::byte>> Next() = 0;

  virtual std::uint64_t returned_bytes() const = 0;  // in all
  virtual const TensorSpec* spec() const = 0;        // of what is returned; null: no samples are
  virtual std::uint64_t memory_bytes() const = 0;
  virtual std::uint64_t decoded_segments() const = 0;  // so far
  virtual std::uint64_t read_bytes() const = 0;        // from the store, so far

  const v1::StoredObject& object() const { return object_; }

 protected:
  v1::StoredObject object_;
};

}  // namespace dcac::server

#endif  // DCAC_SERVER_OBJECT_READER_H_
