// Puts and gets of the store, over as many calls as it takes.
#ifndef DCAC_CLIENT_INTERNAL_STORE_TRANSFER_H_
#define DCAC_CLIENT_INTERNAL_STORE_TRANSFER_H_

#include <cstddef>

#include "absl/status/statusor.h"
#include "client/internal/connection.h"
#include "client/internal/remote_calls.h"
#include "dcac/client_store.h"

namespace dcac::client::internal {

// Sends all of `input`.  A call that broke off is followed by one from where the server has committed the upload.
absl::StatusOr<StoredObject> RunPut(RemoteCalls& calls, const CallContext& call, const v1::PutHeader& header,
                                    const FrameAccess& input, std::size_t chunk_bytes);

struct GotObject {
  StoredObject object;
  TensorSpec spec;  // of a slice its own
  Digest digest{};  // of all bytes that were returned
};

// `request`: without a range, or with one of known size.  A call that broke off is followed by one for the bytes that
// are missing, of the same version; slices begin again only where nothing of them has come.
absl::StatusOr<GotObject> RunGet(RemoteCalls& calls, const CallContext& call, const v1::GetRequest& request,
                                 const ChunkSink& sink);

}  // namespace dcac::client::internal

#endif  // DCAC_CLIENT_INTERNAL_STORE_TRANSFER_H_
