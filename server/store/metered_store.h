// A store whose calls are counted and timed.
#ifndef DCAC_SERVER_STORE_METERED_STORE_H_
#define DCAC_SERVER_STORE_METERED_STORE_H_

#include <array>
#include <chrono>
#include <functional>
#include <memory>
#include <string_view>

#include "absl/status/status.h"
#include "server/store/block_store.h"

namespace dcac::store {

// What is asked of a store, of its uploads and of its readers.
enum class StoreVerb {
  kBegin,
  kResume,
  kAppend,
  kReadUpload,
  kKeepInput,
  kReadInput,
  kSeal,
  kCommit,
  kAbort,
  kPutMany,
  kOpen,
  kRead,
  kStat,
  kList,
  kDelete,
  kUpdate,
  kReadUsage,
  kScrub,
  kMaintain,
};
inline constexpr std::size_t kNumStoreVerbs = static_cast<std::size_t>(StoreVerb::kMaintain) + 1;
std::string_view StoreVerbName(StoreVerb verb);

// Is told of calls that ended.  Thread-safe.
class StoreMeter {
 public:
  virtual ~StoreMeter() = default;

  // `code`: of a call with a result for each block, the first that is not OK.
  virtual void OnStoreCall(StoreVerb verb, absl::StatusCode code, std::chrono::nanoseconds duration) = 0;
};

using MeterClock = std::function<std::chrono::steady_clock::time_point()>;

// `meter` must outlive the store.
std::unique_ptr<BlockStore> MakeMeteredStore(std::unique_ptr<BlockStore> store, StoreMeter& meter,
                                             MeterClock now = std::chrono::steady_clock::now);

}  // namespace dcac::store

#endif  // DCAC_SERVER_STORE_METERED_STORE_H_
