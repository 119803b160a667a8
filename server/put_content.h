// What comes in with a Put, on its way into an upload: checked, and compressed where it is a tensor.
#ifndef DCAC_SERVER_PUT_CONTENT_H_
#define DCAC_SERVER_PUT_CONTENT_H_

#include <cstddef>
#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "dcac/frame_info.h"
#include "dcac/v1/store.pb.h"
#include "server/call_info.h"
#include "server/chunk_queue.h"
#include "server/store/block_store.h"
#include "server/store_context.h"
#include "server/work_control.h"

namespace dcac::server {

// One thread at a time.  After an error it is to be thrown away.
class PutContent {
 public:
  virtual ~PutContent() = default;

  // What `header` announces.  Errors: InvalidArgument, ResourceExhausted (limits).
  static absl::StatusOr<std::unique_ptr<PutContent>> Create(const v1::PutHeader& header, const StoreContext& context,
                                                            const WorkControl& control);

  virtual std::uint64_t input_bytes() const = 0;           // that are to come in all
  virtual std::uint64_t expected_block_bytes() const = 0;  // of the block; 0: not known
  virtual std::uint64_t memory_bytes() const = 0;

  // Takes over what an upload has kept, as if it had come through Push.
  // Errors: DataLoss (damaged, or no beginning of this content).
  virtual absl::Status Resume(store::Upload& upload) = 0;

  // Takes bytes from `input`, which is not empty: some, and at most `max_bytes`.
  // Errors: those of checking and coding, those of the upload.
  virtual absl::Status Push(InputChunks& input, std::size_t max_bytes, store::Upload& upload) = 0;

  // The upload breaks off: keeps what need not be sent again, of `rest` too, which Push has not got.  Not after an
  // error of Resume.  Errors are those of keeping it, and mean that more is sent again.
  virtual absl::Status BreakOff(const InputChunks& rest, store::Upload& upload) = 0;

  // Ends the input: all checks are made.  `options` gets what is to be remembered of it.
  virtual absl::Status Finish(store::Upload& upload, store::PutOptions* options) = 0;

  // Input bytes that need not be sent again, were the upload to break off now.
  virtual std::uint64_t committed_bytes(const store::Upload& upload) const = 0;

  // Of the input; after Finish.
  virtual Digest input_digest() const = 0;

  virtual CallFacts facts() const = 0;
};

}  // namespace dcac::server

#endif  // DCAC_SERVER_PUT_CONTENT_H_
