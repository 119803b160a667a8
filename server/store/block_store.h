// A store of opaque blocks under keys: what every backend does, in one small set of verbs.
//
// The store knows neither tensors nor transports.  A block is published as a whole or not at all, its bytes never
// change, and bytes that are not those that were put are never given out: a backend keeps checksums and compares them
// on every read.  Nothing here throws.
#ifndef DCAC_SERVER_STORE_BLOCK_STORE_H_
#define DCAC_SERVER_STORE_BLOCK_STORE_H_

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace dcac::store {

// A key is UTF-8 without control characters: parts with '/' between them, none empty, "." or "..".  The first part is
// the owner, whom quotas count.  One key may be the beginning of another ("a/b" and "a/b/c").
inline constexpr std::size_t kMaxKeyBytes = 1152;
inline constexpr std::size_t kMaxAttributesBytes = 2048;

using Time = std::chrono::sys_time<std::chrono::milliseconds>;
using Digest = std::array<std::byte, 16>;

// What is known of a block beside its bytes.
struct BlockInfo {
  std::string key;
  std::uint64_t size_bytes = 0;
  std::uint64_t raw_bytes = 0;  // as who put it says: what the block was made of
  Digest digest{};              // as who put it says
  std::string attributes;       // of who put it, at most kMaxAttributesBytes
  std::string version;          // another one for each put; equal versions are equal bytes
  Time created{};
  std::optional<Time> expires;  // from then on the block is not there
  bool pinned = false;          // never evicted; expires all the same
};

// On what is under the key when the block is published.
struct Condition {
  bool if_absent = false;           // AlreadyExists otherwise
  std::optional<Digest> if_digest;  // the block has this digest; Aborted otherwise (NotFound: there is none)
};

// Of a call: when it is no longer of use.  `cancelled` may be null and must outlive the call.
struct CallControl {
  std::chrono::steady_clock::time_point deadline = std::chrono::steady_clock::time_point::max();
  const std::atomic<bool>* cancelled = nullptr;
};

struct PutOptions {
  std::uint64_t raw_bytes = 0;
  Digest digest{};
  std::string attributes;
  std::optional<std::chrono::milliseconds> ttl;  // from the time of publication; nothing: never expires
  bool pinned = false;
  Condition condition;
};

// Input of a block from `offset` on, as who puts it counts.
struct KeptInput {
  std::uint64_t offset = 0;
  std::vector<std::byte> bytes;
};

// A block that is being put.  One thread at a time.  Destroyed without Commit, what was appended stays for
// BlockStore::Resume if it has a state, until it has not been touched for StoreLimits::upload_ttl.
class Upload {
 public:
  virtual ~Upload() = default;

  virtual const std::string& id() const = 0;  // at most 64 characters; hard to guess
  virtual const std::string& key() const = 0;
  virtual const std::string& state() const = 0;  // as Begin got it
  virtual std::uint64_t size_bytes() const = 0;  // appended so far
  virtual std::uint64_t kept_bytes() const = 0;  // of these, those that Resume would give

  // Errors: ResourceExhausted (capacity, quota, disk full), Unavailable, DeadlineExceeded, Cancelled.
  virtual absl::Status Append(std::span<const std::byte> bytes, const CallControl& control) = 0;

  // Fills `out` with bytes that were appended.  Errors: DataLoss, OutOfRange.
  virtual absl::Status Read(std::uint64_t offset, std::span<std::byte> out, const CallControl& control) = 0;

  // For who breaks off: keeps what was appended, however little it is, and bytes of which the rest of the block will be
  // made, those of `parts`, for who resumes, in place of any that were kept before.  Nothing is appended or committed
  // after it.  A backend may do without `parts`.
  // Errors: those of Append; then no parts are kept.
  virtual absl::Status KeepInput(std::uint64_t /*offset*/, std::span<const std::span<const std::byte>> /*parts*/) {
    return absl::OkStatus();
  }

  // What was kept when this upload was resumed; no bytes if nothing was, or if it is damaged.
  virtual absl::StatusOr<KeptInput> ReadInput(const CallControl& /*control*/) { return KeptInput(); }

  // Nothing more is appended: what Commit would have to wait for may be done now, while it is not certain yet that it
  // will be called.  Errors: those of Append.
  virtual absl::Status Seal(const CallControl& /*control*/) { return absl::OkStatus(); }

  // Publishes the block: durable as the policy says, visible to all at once, in place of what was under the key.
  // Errors: AlreadyExists, Aborted, NotFound (condition), those of Append, Unimplemented (a condition that the backend
  // cannot keep).  After an error of a condition the upload is gone, after others it may be resumed.
  virtual absl::StatusOr<BlockInfo> Commit(const PutOptions& options, const CallControl& control) = 0;

  // Forgets what was appended.
  virtual absl::Status Abort() = 0;
};

// A block that is open for reading.  Stays readable when its key is deleted or put anew.  Thread-safe.
class BlockReader {
 public:
  virtual ~BlockReader() = default;
  virtual const BlockInfo& info() const = 0;
  virtual std::uint64_t memory_bytes() const { return 0; }  // of the block's bytes that it holds

  // Fills `out` with the bytes from `offset` on.  Errors: DataLoss (the bytes are not those that were put; the message
  // names the key), OutOfRange (beyond the block), Unavailable, NotFound (the block was deleted and the backend could
  // not keep it), DeadlineExceeded, Cancelled.
  virtual absl::Status Read(std::uint64_t offset, std::span<std::byte> out, const CallControl& control) const = 0;
};

struct SmallBlock {
  std::string key;
  std::span<const std::byte> bytes;
  PutOptions options;
};

struct UploadStart {
  std::string key;
  // Of the block, reserved before anything is written; 0: not known, and reserved as it grows.
  std::uint64_t expected_bytes = 0;
  // Comes back from Resume; at most 16 KiB.  Empty: the upload cannot be resumed.
  std::string state;
};

struct ListRequest {
  std::string prefix;        // of keys, any bytes of them
  std::string start_after;   // a key; empty: from the first
  std::size_t limit = 1000;  // 1 .. 10,000
};

struct ListPage {
  std::vector<BlockInfo> blocks;  // in the order of their keys' bytes
  bool more = false;
};

// What to change; the rest stays.
struct BlockUpdate {
  bool touch = false;  // counts as read
  std::optional<bool> pinned;
  bool set_ttl = false;
  std::optional<std::chrono::milliseconds> ttl;  // with set_ttl: from now on; nothing: never expires
};

struct Usage {
  std::uint64_t blocks = 0;
  std::uint64_t stored_bytes = 0;
  std::uint64_t raw_bytes = 0;
};

struct StoreStatus {
  std::string backend;                  // "local", "s3", "memory"
  Usage usage;                          // of all blocks
  std::uint64_t capacity_bytes = 0;     // 0: no bound
  std::uint64_t owner_quota_bytes = 0;  // 0: no bound
  std::uint64_t reserved_bytes = 0;     // of uploads that run, or wait to be resumed
  std::uint64_t open_uploads = 0;
  std::uint64_t damaged_blocks = 0;  // in quarantine
  std::uint64_t evicted_blocks = 0;  // since the start
  std::uint64_t expired_blocks = 0;
  std::uint64_t scrubbed_bytes = 0;
  std::uint64_t cache_capacity_bytes = 0;  // of the cache in memory; 0: there is none
  std::uint64_t cache_bytes = 0;
  std::uint64_t cache_hits = 0;  // pieces of blocks that were read from it, since the start
  std::uint64_t cache_misses = 0;
  bool conditional_put = true;      // if_absent is kept among all who put
  bool conditional_replace = true;  // and if_digest
};

struct ScrubRequest {
  std::string prefix;
  std::string start_after;
  std::uint64_t max_bytes = 64u << 20;  // ends after the block that reaches it
};

struct ScrubPage {
  std::uint64_t blocks = 0;
  std::uint64_t bytes = 0;
  // In quarantine: reading them is DataLoss until they are put anew or deleted.  With them those that a remote backend
  // could not read, twice, while it served others: these may be read again when it can.
  std::vector<std::string> damaged;
  std::string last_key;  // to go on after; empty: nothing is left
};

// Thread-safe.  Calls may block: on disks, on networks.  Errors of every verb: InvalidArgument (key, limits),
// Unavailable (the backend is away), DeadlineExceeded, Cancelled, ResourceExhausted (capacity, quota, disk full),
// Internal.
class BlockStore {
 public:
  virtual ~BlockStore() = default;

  virtual absl::StatusOr<std::unique_ptr<Upload>> Begin(const UploadStart& start, const CallControl& control) = 0;

  // One upload is open at a time under an id.  `owner`: of its key; nobody else is to learn that there is one.
  // Errors: NotFound (no such upload of this owner, or it is over), Unavailable (open elsewhere).
  virtual absl::StatusOr<std::unique_ptr<Upload>> Resume(const std::string& upload_id, const std::string& owner,
                                                         const CallControl& control) = 0;

  // Puts blocks of at most 4 MiB each in one go; a status or the block for each, in their order.
  virtual std::vector<absl::StatusOr<BlockInfo>> PutMany(std::span<const SmallBlock> blocks,
                                                         const CallControl& control) = 0;

  // Errors: NotFound, DataLoss (in quarantine).  Counts as a use of the block.
  virtual absl::StatusOr<std::shared_ptr<const BlockReader>> Open(const std::string& key,
                                                                  const CallControl& control) = 0;

  // For each key its block, or NotFound, in their order.
  virtual std::vector<absl::StatusOr<BlockInfo>> Stat(std::span<const std::string> keys,
                                                      const CallControl& control) = 0;

  virtual absl::StatusOr<ListPage> List(const ListRequest& request, const CallControl& control) = 0;

  // For each key OK or NotFound, in their order.
  virtual std::vector<absl::Status> Delete(std::span<const std::string> keys, const CallControl& control) = 0;

  // Errors: NotFound.
  virtual absl::StatusOr<BlockInfo> Update(const std::string& key, const BlockUpdate& update,
                                           const CallControl& control) = 0;

  // Of blocks whose keys begin with `prefix`.
  virtual absl::StatusOr<Usage> ReadUsage(const std::string& prefix, const CallControl& control) = 0;

  // Reads the next blocks and compares their checksums.
  virtual absl::StatusOr<ScrubPage> Scrub(const ScrubRequest& request, const CallControl& control) = 0;

  // Does what is due: removes what has expired and uploads that nobody touched for upload_ttl.  To be called every few
  // seconds.  What has expired is not there in any case.
  virtual absl::Status Maintain(const CallControl& control) = 0;

  // Of this moment; does not block for long.
  virtual StoreStatus Status() const = 0;

  // Most bytes of a block that Open and an upload hold in memory, each; 0: few.
  virtual std::uint64_t block_memory_bytes() const { return 0; }
};

// What a store may grow to.  Uploads count from their start on, those that were cut off as long as they can be resumed,
// and a block of any size as 512 bytes at least.
struct StoreLimits {
  std::uint64_t capacity_bytes = 0;     // of stored bytes; beyond it the least recently used are evicted; 0: no bound
  std::uint64_t owner_quota_bytes = 0;  // of each owner; beyond it puts are refused; 0: no bound
  std::chrono::milliseconds upload_ttl{24 * 3600 * 1000};
};

}  // namespace dcac::store

#endif  // DCAC_SERVER_STORE_BLOCK_STORE_H_
