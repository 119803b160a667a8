// Tensors and files that a dcac-server keeps under keys (proto/dcac/v1/store.proto).
#ifndef DCAC_CLIENT_STORE_H_
#define DCAC_CLIENT_STORE_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <future>
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
  EncodeOptions encode;                          // of tensors

  // For uploads that are to outlive the process; not of batches.  An earlier upload of the same bytes under the same
  // key to go on with, if the server still knows it; and who is told which upload it is.
  std::string upload_id;
  std::function<void(const std::string& upload_id)> on_upload;
};

struct GetOptions {
  std::optional<Slice> slice;  // of a tensor; the server reads and decodes no more than its segments
  std::string if_version;      // not empty: of this version alone
};

struct StoredTensor {
  StoredObject object;
  Tensor tensor;
};

// A tensor whose samples went elsewhere.
struct GotTensor {
  StoredObject object;
  TensorSpec spec;  // of a slice its own
};

// A tensor of a batch; `data` must live until the call returns.
struct PutItem {
  std::string key;
  TensorSpec spec;
  std::span<const std::byte> data;
  PutOptions options;
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
// RetryOptions.  What is got is of one version of the object: if another one was put meanwhile, a get begins again
// where its output is in memory, and is Aborted otherwise.  What was repeated although the server had done it may find
// its own object: AlreadyExists with if_absent, Aborted with if_digest, NotFound of Delete.
//
// Errors of every call: as those of Client; NotFound (no such object), AlreadyExists, Aborted (conditions of PutOptions
// and GetOptions), ResourceExhausted (quota, capacity), DataLoss (what is stored is damaged).
class Store {
 public:
  explicit Store(Client client) : client_(std::move(client)) {}

  // Compresses `data` here and sends the frame, or, with Codec::kServer, lets the server compress it.
  absl::StatusOr<StoredObject> Put(std::string_view key, const TensorSpec& spec, std::span<const std::byte> data,
                                   const PutOptions& options = {}, const CallOptions& call = {}) const;

  // As Put, with the samples from `source`, which is asked for each only once.  The server compresses them, whatever
  // the codec: how long a frame is, is known only at its end.  Memory: what the server has not committed yet, at most
  // 64 MiB; a call that broke off before those is Unavailable.
  // Errors: as above; InvalidArgument (`source` gives more or less than the tensor's bytes).
  absl::StatusOr<StoredObject> PutStream(std::string_view key, const TensorSpec& spec, const ChunkSource& source,
                                         const PutOptions& options = {}, const CallOptions& call = {}) const;

  // Puts many tensors, which pays off where they are small; gives an object or an error for each, in their order.
  // Those of more than about 1 MiB, and those that are to be pinned, are calls of their own.
  std::vector<absl::StatusOr<StoredObject>> BatchPut(std::span<const PutItem> items,
                                                     const CallOptions& call = {}) const;

  // Put in the background, as Client::CompressAsync: `data` must live until the result is there.
  using ObjectCallback = std::function<void(absl::StatusOr<StoredObject>)>;
  std::future<absl::StatusOr<StoredObject>> PutAsync(std::string_view key, const TensorSpec& spec,
                                                     std::span<const std::byte> data, const PutOptions& options = {},
                                                     const CallOptions& call = {}) const;
  void PutAsync(std::string_view key, const TensorSpec& spec, std::span<const std::byte> data,
                const PutOptions& options, const CallOptions& call, ObjectCallback done) const;

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

  // As Get, but into memory of the caller, which must have as many bytes as the tensor or the slice (Stat tells); on
  // error its content is unspecified.  Errors: as Get; InvalidArgument (`tensor` has another size).
  absl::StatusOr<GotTensor> GetInto(std::string_view key, std::span<std::byte> tensor, const GetOptions& options = {},
                                    const CallOptions& call = {}) const;

  // As Get, with the spec into `spec_sink` and the samples into `sink`, which see nothing twice; what `sink` got is
  // valid only when the call returned OK.  Memory: a few chunks or segments.
  // Errors: as Get; those of the sinks; Aborted (the object was put anew meanwhile), and what RetryOptions help against
  // where they do not: a slice that broke off.
  absl::StatusOr<GotTensor> GetStream(std::string_view key, const SpecSink& spec_sink, const ChunkSink& sink,
                                      const GetOptions& options = {}, const CallOptions& call = {}) const;

  // Gets many tensors, which pays off where they are small; gives a tensor or an error for each, in their order.
  std::vector<absl::StatusOr<StoredTensor>> BatchGet(std::span<const std::string> keys,
                                                     const CallOptions& call = {}) const;

  // Get in the background, as Client::DecompressAsync.
  using StoredTensorCallback = std::function<void(absl::StatusOr<StoredTensor>)>;
  std::future<absl::StatusOr<StoredTensor>> GetAsync(std::string_view key, const GetOptions& options = {},
                                                     const CallOptions& call = {}) const;
  void GetAsync(std::string_view key, const GetOptions& options, const CallOptions& call,
                StoredTensorCallback done) const;

  // The frame or archive as it is stored, into `sink`, which sees no byte twice.
  absl::StatusOr<StoredObject> GetStored(std::string_view key, const ChunkSink& sink,
                                         const CallOptions& call = {}) const;

  // Bytes of what is stored, from `offset` on, for random access to a frame or an archive.  Errors: as above;
  // Aborted (`object` is no longer what is under its key), InvalidArgument (they are not all within it).
  absl::Status ReadStored(const StoredObject& object, std::uint64_t offset, std::span<std::byte> out,
                          const CallOptions& call = {}) const;

  absl::StatusOr<StoredObject> Stat(std::string_view key, const CallOptions& call = {}) const;
  // Those of `keys` that are not there, in their order.  Where they are many, in several calls to the server.
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
