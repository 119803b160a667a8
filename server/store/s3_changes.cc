#include "server/store/s3_changes.h"

#include "core/base/status_macros.h"

namespace dcac::store {
namespace {

// With more, all are looked for when they are needed.
constexpr std::size_t kMostChanges = 1000;

}  // namespace

bool S3Changes::MayExist(const std::string& name) {
  asked_ = true;
  const std::scoped_lock lock(mutex_);
  return Clock::now() >= valid_until_ || names_.contains(name);
}

void S3Changes::Add(const std::string& name) {
  const std::scoped_lock lock(mutex_);
  names_.insert(name);
  added_[name] = Clock::now();
}

std::size_t S3Changes::size() {
  const std::scoped_lock lock(mutex_);
  return names_.size() + added_.size();
}

absl::Status S3Changes::Refresh(const CallControl& control) {
  if (!asked_.exchange(false)) {
    const std::scoped_lock lock(mutex_);
    // Without who asks, what is put would be remembered for ever.
    if (Clock::now() < valid_until_) return absl::OkStatus();
    names_.clear();
    added_.clear();
    return absl::OkStatus();
  }
  const auto begin = Clock::now();
  DCAC_ASSIGN_OR_RETURN(const S3ListPage page, client_.List(prefix_, "", kMostChanges, control));
  std::set<std::string> names;
  for (const S3Entry& entry : page.entries) names.insert(entry.name);
  const std::scoped_lock lock(mutex_);
  std::erase_if(added_, [&](const auto& added) { return added.second < begin; });
  // They may have been put after the list was made.
  for (const auto& [name, time] : added_) names.insert(name);
  names_ = std::move(names);
  valid_until_ = page.more ? Clock::time_point() : begin + kValidFor;
  return absl::OkStatus();
}

}  // namespace dcac::store
