// The blocks of an S3 store: how they are found, published and removed.
#ifndef DCAC_SERVER_STORE_S3_BLOCKS_H_
#define DCAC_SERVER_STORE_S3_BLOCKS_H_

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/store/block_store.h"
#include "server/store/s3_changes.h"
#include "server/store/s3_notes.h"
#include "server/store/s3_reader.h"
#include "server/store/s3_store.h"
#include "server/store/space_account.h"

namespace dcac::store {

inline constexpr std::size_t kS3Parallel = 16;  // requests of one call
// Fetched when a block is opened: all of it, unless it has parts.  So it stays readable whatever becomes of its key.
inline constexpr std::size_t kS3OpenBytes = kS3InlineBytes + (std::size_t{64} << 10);
inline constexpr std::size_t kS3StatBytes = 8 << 10;    // and when only its head is wanted
inline constexpr std::chrono::seconds kS3LastWords{5};  // for what is done on destruction

// Blocks in the order of their names, which is that of their keys but for very long ones.
struct S3Page {
  std::vector<S3Block> blocks;  // live ones, what is told of them alone
  std::vector<S3Block> expired;
  std::vector<std::string> unreadable;  // names of blocks whose heads are damaged, or cannot be had
  bool more = false;
  std::string last;  // name that was listed last
};

absl::Status InQuarantine(const std::string& key);

// Thread-safe.
class S3Blocks {
 public:
  explicit S3Blocks(S3StoreOptions options);

  S3Client& client() { return client_; }
  const S3StoreOptions& options() const { return options_; }
  S3Changes& changes() { return changes_; }
  S3Notes& notes() { return notes_; }
  SpaceAccount& account() { return account_; }
  Time now() const { return options_.clock(); }

  // Names of objects; `encoded` is an encoded key.
  std::string BlockName(const std::string& encoded) const { return options_.prefix + "k/" + encoded; }
  std::string NextName(const std::string& encoded, const std::string& version) const {
    return options_.prefix + "n/" + encoded + "/" + version;
  }
  std::string ChangeName(const std::string& encoded, const std::string& version) const {
    return options_.prefix + "t/" + encoded + "/" + version;
  }
  std::string AllPartsPrefix() const { return options_.prefix + "d/"; }
  std::string PartsPrefix(const std::string& id) const { return AllPartsPrefix() + id + "/"; }
  std::string UploadName(const std::string& id) const { return options_.prefix + "u/" + id; }

  // Finds out whether the server heeds If-None-Match and If-Match.
  absl::Status Probe(const CallControl& control);
  bool conditional_put() const { return conditional_put_; }

  // The newest block of a key, expired or not, with changes applied; with `whole`, as much of its object as
  // kS3OpenBytes, but changes that other servers put in the last seconds may be missing.
  // Errors: NotFound (there is none), DataLoss.
  absl::StatusOr<S3Block> Load(const std::string& encoded, bool whole, const CallControl& control);

  // The same for one that has not expired and is not in quarantine.
  absl::StatusOr<S3Block> LoadLive(const std::string& key, bool whole, const CallControl& control);

  // What fails is a matter of the block that was asked for, if the server still serves (CheckServes).
  static bool MayBeOfOneBlock(const absl::Status& status);

  // Errors: those of the client, when all of the store is away.
  absl::Status CheckServes(const CallControl& control);

  // Blocks whose names begin with `prefix` and come after `after`; at most `limit` names.
  absl::StatusOr<S3Page> LoadPage(const std::string& prefix, const std::string& after, std::size_t limit,
                                  const CallControl& control);

  // Puts `head`, whose record has all but the times, and `payload` behind it.
  absl::StatusOr<BlockInfo> Publish(S3Head head, ByteSpan payload, const PutOptions& options,
                                    const CallControl& control);

  absl::Status Delete(const std::string& key, const CallControl& control);

  // Lets `change` set what is told of a block; it gives false where the record has all it would set.  Once more where
  // another server has changed the block meanwhile; where the server ignores If-Match, that is seen only by who reads
  // after the other has written.
  // Errors: those of Load and of `change`, NotFound (expired), Unavailable (others change it all the time).
  using RecordChange = std::function<absl::StatusOr<bool>(Record& record)>;
  absl::StatusOr<BlockInfo> Change(const std::string& key, const RecordChange& change, const CallControl& control);

  // After a change: waits for a removal that has not seen it.  Errors: NotFound (the block was removed).
  absl::Status CheckKept(const std::string& key, const CallControl& control);

  absl::Status DeleteObjects(const std::vector<std::string>& names, const CallControl& control);
  // Deletes all objects whose names begin so.
  absl::Status DeleteAll(const std::string& prefix, const CallControl& control);

  // Parts that nothing refers to any more, once readers had their time.
  void DropLater(const std::string& parts_id);
  absl::Status DropParts(const CallControl& control);

  absl::Status Reserve(std::string_view owner, std::uint64_t bytes);
  // How much the last call of Reserve that failed for the capacity has missed, once.
  std::uint64_t TakeMissingBytes() { return missing_bytes_.exchange(0); }

  // Of uploads that this process has open; false: it is already.
  bool OpenUpload(const std::string& id, std::string_view owner);
  bool HasOpenUpload(const std::string& id, std::string_view owner) const;
  void CloseUpload(const std::string& id);
  std::size_t open_uploads() const;

  // Of uploads that were broken off and may be resumed: what was reserved for them stays, until they are.
  void KeepReserved(const std::string& id, std::string_view owner, std::uint64_t bytes);
  std::uint64_t TakeReserved(const std::string& id);
  // What was found of them in the bucket, from `since` on, takes the place of what was known.
  struct BrokenOff {
    std::string owner;
    std::uint64_t bytes = 0;
    std::chrono::steady_clock::time_point since{};
  };
  void RecountBrokenOff(const std::map<std::string, BrokenOff>& found, std::chrono::steady_clock::time_point since);

 private:
  struct Dropped {
    std::string id;
    std::chrono::steady_clock::time_point since;
  };

  // How the server takes an ETag in If-Match; kNone: it heeds none.  radosgw compares the header with the bare one,
  // others want what HTTP says.
  enum class EtagForm { kNone, kBare, kQuoted };

  // The first bytes of an object, of no use yet.
  absl::StatusOr<S3Block> Fetch(const std::string& object, std::size_t bytes, const CallControl& control);
  absl::StatusOr<S3Block> LoadObject(const std::string& encoded, const std::string& object, bool whole,
                                     const CallControl& control);
  // What is told of a block, without its bytes and their checksums.
  absl::StatusOr<S3Block> LoadTold(const std::string& encoded, const CallControl& control);
  // Once more those that failed, if that is no matter of the whole store.
  absl::Status LoadAgain(const std::vector<std::string>& encoded, std::vector<absl::StatusOr<S3Block>>& loaded,
                         const CallControl& control);
  absl::Status ApplyChange(const std::string& encoded, S3Block& block, const CallControl& control);
  // In place of the one that `block` has.  Errors: Aborted (it has another one by now).
  absl::Status PutChange(const std::string& encoded, const S3Block& block, const CallControl& control);
  absl::StatusOr<EtagForm> ProbeIfMatch(const std::string& name, const CallControl& control);
  absl::Status PutAbsent(const std::string& encoded, const absl::StatusOr<S3Block>& old, const std::string& version,
                         const std::vector<ByteSpan>& pieces, const CallControl& control);
  absl::Status PutHead(const std::string& encoded, absl::StatusOr<S3Block> old, const std::string& version,
                       const std::vector<ByteSpan>& pieces, bool if_absent, const CallControl& control);
  // Who may change what is told of a key.
  struct Turn {
    S3Blocks& blocks;
    const std::string& encoded;
    ~Turn();
  };
  absl::Status AwaitTurn(const std::string& encoded, const CallControl& control);
  void Forget(const std::string& encoded, const S3Block& old, const std::string& parts_id, const CallControl& control);

  const S3StoreOptions options_;
  S3Client client_;
  S3Changes changes_;
  S3Notes notes_;
  SpaceAccount account_;
  bool conditional_put_ = false;
  EtagForm if_match_ = EtagForm::kNone;
  std::atomic<std::uint64_t> missing_bytes_{0};

  mutable std::mutex mutex_;
  std::map<std::string, std::string> uploads_;   // owners, by id
  std::map<std::string, BrokenOff> broken_off_;  // by id
  std::vector<Dropped> dropped_;

  std::mutex turns_mutex_;
  std::condition_variable turn_ended_;
  std::set<std::string> turns_;  // encoded keys
};

}  // namespace dcac::store

#endif  // DCAC_SERVER_STORE_S3_BLOCKS_H_
