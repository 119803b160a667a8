#include "server/store/s3_notes.h"

#include <algorithm>
#include <exception>
#include <thread>

#include "core/base/status_macros.h"
#include "server/store/checks.h"
#include "server/store/s3_names.h"

namespace dcac::store {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kFirstLook{50};
constexpr milliseconds kLastLook{1000};
constexpr milliseconds kLookAtControl{20};
constexpr std::size_t kNotesOfAListing = 1000;

}  // namespace

absl::StatusOr<bool> S3Notes::Has(const std::string& encoded, Clock::time_point since, const CallControl& control) {
  DCAC_RETURN_IF_ERROR(ReadSince(since, control));
  const std::string begin = NameOf(encoded, "");
  const std::scoped_lock lock(mutex_);
  for (auto note = seen_first_.lower_bound(begin); note != seen_first_.end(); ++note) {
    if (!note->first.starts_with(begin)) break;
    if (!IsDead(note->second)) return true;
  }
  return false;
}

absl::Status S3Notes::AwaitNone(const std::string& encoded, const CallControl& control) {
  for (auto wait = kFirstLook;; wait = std::min(2 * wait, kLastLook)) {
    // What another thread has read since this one began to wait will do.
    DCAC_ASSIGN_OR_RETURN(const bool noted, Has(encoded, Clock::now() - wait, control));
    if (!noted) return absl::OkStatus();
    for (const auto end = Clock::now() + wait; Clock::now() < end;) {
      DCAC_RETURN_IF_ERROR(CheckControl(control));
      std::this_thread::sleep_for(std::min<Clock::duration>(end - Clock::now(), kLookAtControl));
    }
  }
}

absl::Status S3Notes::DropDead(const CallControl& control) {
  std::vector<std::string> dead;
  {
    const std::scoped_lock lock(mutex_);
    for (const auto& [name, seen_first] : seen_first_) {
      if (IsDead(seen_first)) dead.push_back(name);
    }
  }
  if (dead.empty()) return absl::OkStatus();
  for (const std::string& name : dead) DCAC_RETURN_IF_ERROR(client_.Delete(name, control));
  return Refresh(control);
}

absl::Status S3Notes::ReadSince(Clock::time_point since, const CallControl& control) {
  std::unique_lock lock(mutex_);
  while (read_ < since || read_ == Clock::time_point{}) {
    DCAC_RETURN_IF_ERROR(CheckControl(control));
    if (reading_) {
      ended_.wait_for(lock, kLookAtControl);
      continue;
    }
    reading_ = true;
    lock.unlock();
    const auto begun = Clock::now();
    const auto names = ReadNames(control);
    lock.lock();
    reading_ = false;
    ended_.notify_all();
    DCAC_RETURN_IF_ERROR(names.status());
    std::map<std::string, Clock::time_point> seen_first;
    for (const std::string& name : *names) {
      const auto known = seen_first_.find(name);
      seen_first.emplace(name, known == seen_first_.end() ? Clock::now() : known->second);
    }
    seen_first_ = std::move(seen_first);
    read_ = begun;
  }
  return absl::OkStatus();
}

// Throws nothing, so that others may read after it.
absl::StatusOr<std::vector<std::string>> S3Notes::ReadNames(const CallControl& control) {
  try {
    std::vector<std::string> names;
    S3ListPage page;
    do {
      const std::string after = page.entries.empty() ? "" : page.entries.back().name;
      DCAC_ASSIGN_OR_RETURN(page, client_.List(prefix_, after, kNotesOfAListing, control));
      for (S3Entry& entry : page.entries) {
        if (TimeOfId(entry.name.substr(entry.name.rfind('/') + 1))) names.push_back(entry.name);
      }
    } while (page.more);
    return names;
  } catch (const std::exception& error) {
    return absl::ResourceExhaustedError(error.what());
  }
}

}  // namespace dcac::store
