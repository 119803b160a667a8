// Tensors and files that a dcac-server keeps under keys (proto/dcac/v1/store.proto).
#ifndef DCAC_CLIENT_STORE_H_
#define DCAC_CLIENT_STORE_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "dcac/client.h"
#include "dcac/slice.h"

namespace dcac::client {

enum class ObjectKind {
  kTensor,   // a frame
  kArchive,  // a .dcac archive of a file
};

struct StoredObject {
  std::string key;
  ObjectKind kind = ObjectKind::kTensor;
  TensorSpec spec;                 // of a tensor
  std::uint64_t raw_bytes = 0;     // of the tensor, or of the original file
  std::uint64_t stored_bytes = 0;  // of the frame or the archive
  Digest digest{};                 // of the tensor's bytes, or of the archive as stored
  std::chrono::system_clock::time_point created;
  std::optional<std::chrono::system_clock::time_point> expires;  // nothing: never
  bool pinned = false;
  std::string version;  // another one for each put
};

struct PutOptions {
  std::optional<std::chrono::milliseconds> ttl;  // nothing: never expires
  bool if_absent = false;                        // only where there is no object under the key
  std::optional<Digest> if_digest;               // only where the object under the key has this digest
  bool pinned = false;                           // is not evicted when the store is full
  EncodeOptions encode;                          // of Put
};

struct GetOptions {
  std::optional<Slice> slice;  // of a tensor; the server reads and decodes no more than its segments
  std::string if_version;      // not empty: of this version alone
};

struct StoredTensor {
  StoredObject object;
  Tensor tensor;
};

struct ObjectPage {
  std::vector<StoredObject> objects;
  std::string next_page_token;  // empty: this is the last page
};

struct StoreUsage {
  std::uint64_t objects = 0;
  std::uint64_t raw_bytes = 0;
  std::uint64_t stored_bytes = 0;
  std::uint64_t quota_bytes = 0;     // of the tenant; 0: no bound
  std::uint64_t capacity_bytes = 0;  // of the store; 0: no bound
  std::string backend;
};

struct PrefixDeletion {
  std::uint64_t deleted_objects = 0;
  bool more = false;  // call again
};

struct ScrubResult {
  std::uint64_t objects = 0;
  std::uint64_t bytes = 0;
  std::vector<std::string> damaged_keys;
  std::string last_key;  // where the next call goes on; empty: nothing is left
};

// The store of the servers of a client, which it keeps.  Thread-safe.
//
// A put that broke off goes on where the server has committed it, a get at the byte that it has, both within
// RetryOptions.  What was repeated although the server had done it may find its own object: AlreadyExists with
// if_absent, Aborted with if_digest, NotFound of Delete.
//
// Errors of every call: as those of Client; NotFound (no such object), AlreadyExists, Aborted (conditions of PutOptions
// and GetOptions), ResourceExhausted (quota, capacity), DataLoss (what is stored is damaged).
class Store {
 public:
  explicit Store(Client client) : client_(std::move(client)) {}

  // Compresses `data` here and sends the frame, or, with Codec::kServer, lets the server compress it.
  absl::StatusOr<StoredObject> Put(std::string_view key, const TensorSpec& spec, std::span<const std::byte> data,
                                   const PutOptions& options = {}, const CallOptions& call = {}) const;

  // Stores a frame, or an archive of a file of `raw_bytes`.  Of the source bytes may be read several times, and must be
  // the same each time.  PutOptions::encode is not used.
  absl::StatusOr<StoredObject> PutFrame(std::string_view key, const FrameAccess& frame, const PutOptions& options = {},
                                        const CallOptions& call = {}) const;
  absl::StatusOr<StoredObject> PutArchive(std::string_view key, const FrameAccess& archive, std::uint64_t raw_bytes,
                                          const PutOptions& options = {}, const CallOptions& call = {}) const;

  // A tensor or a slice of it.  A whole one is decoded here unless the call says Codec::kServer.
  // Errors: as above; InvalidArgument (an archive is under the key, or the slice is none of the tensor).
  absl::StatusOr<StoredTensor> Get(std::string_view key, const GetOptions& options = {},
                                   const CallOptions& call = {}) const;

  // The frame or archive as it is stored, into `sink`, which sees no byte twice.
  absl::StatusOr<StoredObject> GetStored(std::string_view key, const ChunkSink& sink,
                                         const CallOptions& call = {}) const;

  // Bytes of what is stored, from `offset` on, for random access to a frame or an archive.  Errors: as above;
  // Aborted (`object` is no longer what is under its key), InvalidArgument (they are not all within it).
  absl::Status ReadStored(const StoredObject& object, std::uint64_t offset, std::span<std::byte> out,
                          const CallOptions& call = {}) const;

  absl::StatusOr<StoredObject> Stat(std::string_view key, const CallOptions& call = {}) const;
  absl::StatusOr<std::vector<std::string>> FindMissing(std::span<const std::string> keys,
                                                       const CallOptions& call = {}) const;

  // `page_size` 0: as the server likes.
  absl::StatusOr<ObjectPage> List(std::string_view prefix, int page_size = 0, std::string_view page_token = {},
                                  const CallOptions& call = {}) const;
  // Calls `visit` for every object below `prefix`, page after page; its errors end the walk.
  absl::Status ForEach(std::string_view prefix, const std::function<absl::Status(const StoredObject&)>& visit,
                       const CallOptions& call = {}) const;

  absl::Status Delete(std::string_view key, const CallOptions& call = {}) const;
  absl::StatusOr<PrefixDeletion> DeletePrefix(std::string_view prefix, const CallOptions& call = {}) const;
  // Without `ttl` the time to live stays; zero: never expires.
  absl::StatusOr<StoredObject> Touch(std::string_view key, std::optional<std::chrono::milliseconds> ttl = {},
                                     const CallOptions& call = {}) const;
  absl::StatusOr<StoredObject> Pin(std::string_view key, bool pinned, const CallOptions& call = {}) const;
  absl::StatusOr<StoreUsage> Usage(std::string_view prefix = {}, const CallOptions& call = {}) const;
  absl::StatusOr<ScrubResult> Scrub(std::string_view prefix, std::string_view start_after = {},
                                    const CallOptions& call = {}) const;

 private:
  Client client_;
};

}  // namespace dcac::client

#endif  // DCAC_CLIENT_STORE_H_
