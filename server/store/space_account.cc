#include "server/store/space_account.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace dcac::store {
namespace {

// Never more than there is.
Usage Least(const Usage& a, const Usage& b) {
  return {std::min(a.blocks, b.blocks), std::min(a.stored_bytes, b.stored_bytes), std::min(a.raw_bytes, b.raw_bytes)};
}

void Subtract(const Usage& usage, Usage& from) {
  from.blocks -= usage.blocks;
  from.stored_bytes -= usage.stored_bytes;
  from.raw_bytes -= usage.raw_bytes;
}

void AddTo(const Usage& usage, Usage& to) {
  to.blocks += usage.blocks;
  to.stored_bytes += usage.stored_bytes;
  to.raw_bytes += usage.raw_bytes;
}

}  // namespace

Usage UsageOf(const BlockInfo& info) {
  return {.blocks = 1, .stored_bytes = info.size_bytes, .raw_bytes = info.raw_bytes};
}

std::uint64_t SpaceAccount::Share::charge() const {
  return std::max(usage.stored_bytes, usage.blocks * kMinBlockCharge) + reserved_bytes;
}

absl::Status SpaceAccount::Reserve(std::string_view owner, std::uint64_t bytes, std::uint64_t* missing_bytes) {
  *missing_bytes = 0;
  const std::lock_guard lock(mutex_);
  const auto found = owners_.find(owner);
  const std::uint64_t held = found == owners_.end() ? 0 : found->second.charge();
  const auto exceeds = [bytes](std::uint64_t now, std::uint64_t limit) {
    return limit > 0 && (bytes > limit || now > limit - bytes);
  };
  if (exceeds(held, limits_.owner_quota_bytes)) {
    return absl::ResourceExhaustedError(absl::StrCat("quota: ", held, " bytes are stored or on their way, ", bytes,
                                                     " more exceed ", limits_.owner_quota_bytes));
  }
  if (limits_.capacity_bytes > 0 && bytes > limits_.capacity_bytes) {
    return absl::ResourceExhaustedError(
        absl::StrCat("capacity: ", bytes, " bytes exceed the store's ", limits_.capacity_bytes));
  }
  const std::uint64_t all = total_.charge();
  if (exceeds(all, limits_.capacity_bytes)) {
    *missing_bytes = all + bytes - limits_.capacity_bytes;
    return absl::OkStatus();
  }
  Share& share = found == owners_.end() ? owners_[std::string(owner)] : found->second;
  share.reserved_bytes += bytes;
  total_.reserved_bytes += bytes;
  return absl::OkStatus();
}

void SpaceAccount::ReserveAnyway(std::string_view owner, std::uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  owners_[std::string(owner)].reserved_bytes += bytes;
  total_.reserved_bytes += bytes;
}

void SpaceAccount::Release(std::string_view owner, std::uint64_t reserved_bytes) {
  if (reserved_bytes == 0) return;
  const std::lock_guard lock(mutex_);
  const auto found = owners_.find(owner);
  found->second.reserved_bytes -= reserved_bytes;
  total_.reserved_bytes -= reserved_bytes;
  EraseIfEmpty(found);
}

// Owners are what clients make up: those that store nothing take no memory.
void SpaceAccount::EraseIfEmpty(std::map<std::string, Share, std::less<>>::iterator owner) {
  if (owner->second.usage.blocks == 0 && owner->second.reserved_bytes == 0) owners_.erase(owner);
}

void SpaceAccount::Add(std::string_view owner, const Usage& usage, std::uint64_t reserved_bytes) {
  const std::lock_guard lock(mutex_);
  Share& share = owners_[std::string(owner)];
  AddTo(usage, share.usage);
  AddTo(usage, total_.usage);
  share.reserved_bytes -= reserved_bytes;
  total_.reserved_bytes -= reserved_bytes;
}

void SpaceAccount::Remove(std::string_view owner, const Usage& usage) {
  const std::lock_guard lock(mutex_);
  const auto found = owners_.find(owner);
  if (found == owners_.end()) return;  // of a block that was not counted
  const Usage counted = Least(usage, found->second.usage);
  Subtract(counted, found->second.usage);
  Subtract(counted, total_.usage);
  EraseIfEmpty(found);
}

void SpaceAccount::Recount(const std::map<std::string, Usage, std::less<>>& usages) {
  const std::lock_guard lock(mutex_);
  total_.usage = {};
  for (auto& [owner, share] : owners_) share.usage = {};
  for (const auto& [owner, usage] : usages) {
    owners_[owner].usage = usage;
    AddTo(usage, total_.usage);
  }
}

Usage SpaceAccount::total() const {
  const std::lock_guard lock(mutex_);
  return total_.usage;
}

std::uint64_t SpaceAccount::reserved_bytes() const {
  const std::lock_guard lock(mutex_);
  return total_.reserved_bytes;
}

}  // namespace dcac::store
