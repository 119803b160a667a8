// How much a store holds, of whom, and how much it has promised to take.
#ifndef DCAC_SERVER_STORE_SPACE_ACCOUNT_H_
#define DCAC_SERVER_STORE_SPACE_ACCOUNT_H_

#include <algorithm>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "server/store/block_store.h"

namespace dcac::store {

// What a block counts as where there are bounds, if its bytes are fewer: its record and its place in the orders of the
// index take room too.
inline constexpr std::uint64_t kMinBlockCharge = 512;
constexpr std::uint64_t ChargeOf(std::uint64_t size_bytes) {
  return std::max(size_bytes, kMinBlockCharge);
}

Usage UsageOf(const BlockInfo& info);

// Thread-safe.
class SpaceAccount {
 public:
  explicit SpaceAccount(const StoreLimits& limits) : limits_(limits) {}

  // Room for `bytes` more of `owner`, before they are written.
  // Errors: ResourceExhausted (quota).  With `missing_bytes` not 0 nothing was reserved: the store is full by so much.
  absl::Status Reserve(std::string_view owner, std::uint64_t bytes, std::uint64_t* missing_bytes);

  // The same for what is there already, whatever the bounds.
  void ReserveAnyway(std::string_view owner, std::uint64_t bytes);

  void Release(std::string_view owner, std::uint64_t reserved_bytes);

  // What is stored now, for which so much was reserved, and no longer.
  void Add(std::string_view owner, const Usage& usage, std::uint64_t reserved_bytes = 0);
  void Remove(std::string_view owner, const Usage& usage);

  // All that is stored, of each owner, where others store too.
  void Recount(const std::map<std::string, Usage, std::less<>>& usages);

  Usage total() const;
  std::uint64_t reserved_bytes() const;

 private:
  struct Share {
    Usage usage;
    std::uint64_t reserved_bytes = 0;

    std::uint64_t charge() const;
  };

  void EraseIfEmpty(std::map<std::string, Share, std::less<>>::iterator owner);

  const StoreLimits limits_;
  mutable std::mutex mutex_;
  std::map<std::string, Share, std::less<>> owners_;
  Share total_;
};

}  // namespace dcac::store

#endif  // DCAC_SERVER_STORE_SPACE_ACCOUNT_H_
