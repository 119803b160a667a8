// The uploads of a local store: those that run, those that wait for who goes on with them, and those of which a failed
// disk left open whether they were published.
#ifndef DCAC_SERVER_STORE_UPLOAD_TABLE_H_
#define DCAC_SERVER_STORE_UPLOAD_TABLE_H_

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "server/store/block_store.h"

namespace dcac::store {

// Of an upload that does not run: what it holds of the store.
struct IdleUpload {
  std::string id;
  std::string owner;
  std::uint64_t reserved_bytes = 0;
  Time touched{};
  bool resumable = false;
};

// Thread-safe.
class UploadTable {
 public:
  // A new upload runs.
  void Begin(const std::string& id, std::string_view owner);
  // It no longer does, and nothing is left of it; or it waits; or it may have been published.
  void End(const std::string& id);
  void Keep(IdleUpload upload);
  void Doubt(IdleUpload upload);

  // One of this owner that waits runs again.  Errors: NotFound, Unavailable (it runs, or is in doubt).
  absl::StatusOr<IdleUpload> Resume(const std::string& id, const std::string& owner);

  // Those that wait and were not touched since, or the one that waits for longest: they are no longer of the table.
  std::vector<IdleUpload> TakeOlder(Time oldest);
  std::optional<IdleUpload> TakeOldest();
  std::vector<IdleUpload> TakeDoubtful();

  std::uint64_t running() const;

 private:
  mutable std::mutex mutex_;
  std::map<std::string, std::string> running_;  // owners by id
  std::map<std::string, IdleUpload> waiting_;
  std::map<std::string, IdleUpload> doubtful_;
};

}  // namespace dcac::store

#endif  // DCAC_SERVER_STORE_UPLOAD_TABLE_H_
