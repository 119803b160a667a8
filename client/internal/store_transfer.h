// Puts and gets of the store, over as many calls as it takes.
#ifndef DCAC_CLIENT_INTERNAL_STORE_TRANSFER_H_
#define DCAC_CLIENT_INTERNAL_STORE_TRANSFER_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/statusor.h"
#include "client/internal/connection.h"
#include "client/internal/remote_calls.h"
#include "client/internal/transfer_ends.h"
#include "dcac/client_store.h"

namespace dcac::client::internal {

// Is told what the server knows of an upload, as far as that changed.
struct UploadObserver {
  std::function<void(const std::string& upload_id)> on_begin;
  std::function<void(std::uint64_t committed_bytes)> on_commit;  // no byte before that is read again
};

// Sends all of `input`.  A call that broke off is followed by one from where the server has committed the upload; so is
// the first one where the header names an upload.
absl::StatusOr<StoredObject> RunPut(RemoteCalls& calls, const CallContext& call, const v1::PutHeader& header,
                                    const FrameAccess& input, std::size_t chunk_bytes,
                                    const UploadObserver& observer = {});

struct GotObject {
  StoredObject object;
  TensorSpec spec;  // of a slice its own
  Digest digest{};  // of all bytes that were returned
  std::uint64_t returned_bytes = 0;
};

// What may be under the key; archives are InvalidArgument where tensors are expected.
enum class Expected { kTensor, kAny };

// `request`: without a range, or with one of known size.  Unless bytes are asked for as they are stored, the output
// gets the spec first.  A call that broke off is followed by one for the bytes that are missing, of the same version;
// what has no ranges (slices), and what was put anew meanwhile, begins again where the output can.
absl::StatusOr<GotObject> RunGet(RemoteCalls& calls, const CallContext& call, const v1::GetRequest& request,
                                 TransferOutput& output, Expected expected);

}  // namespace dcac::client::internal

#endif  // DCAC_CLIENT_INTERNAL_STORE_TRANSFER_H_
