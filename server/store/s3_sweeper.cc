#include "server/store/s3_sweeper.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <exception>
#include <iterator>
#include <map>
#include <span>
#include <string_view>
#include <utility>

#include "core/base/status_macros.h"
#include "server/store/key.h"
#include "server/store/s3_names.h"
#include "server/store/s3_upload.h"

namespace dcac::store {
namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr std::size_t kMostRemovals = 1000;  // that are noted at a time
// With a capacity so much of it is kept free, in percent, as room is made only some time after it is missing.
constexpr std::uint64_t kFreePercent = 10;
// Sweeps for room, or for what could not be noted in the last one, are so much more frequent than others at most.
constexpr int kMoreSweeps = 20;
constexpr std::size_t kPageNames = 1000;
// How far clocks of servers may differ, and how long one may take to publish what it has checked.
constexpr std::chrono::hours kGrace{1};

Time UsedAt(const S3Block& block) {
  return std::max(block.head.record.info.created, block.head.record.accessed);
}

}  // namespace

S3Sweeper::~S3Sweeper() {
  try {
    std::vector<std::string> notes;
    for (const Removal& removal : removals_) {
      if (!removal.tried) notes.push_back(removal.note);
    }
    static_cast<void>(blocks_.DeleteObjects(notes, {.deadline = SteadyClock::now() + kS3LastWords}));
  } catch (const std::exception&) {
    // Others find out that nobody acts on them any more.
  }
}

absl::Status S3Sweeper::Maintain(const CallControl& control) {
  const std::unique_lock lock(mutex_, std::try_to_lock);
  if (!lock.owns_lock()) return absl::OkStatus();
  // First what has its window, as the others may take long.
  DCAC_RETURN_IF_ERROR(FinishRemovals(control));
  DCAC_RETURN_IF_ERROR(blocks_.changes().Refresh(control));
  DCAC_RETURN_IF_ERROR(blocks_.DropParts(control));
  DCAC_RETURN_IF_ERROR(blocks_.notes().DropDead(control));
  const auto now = SteadyClock::now();
  const bool soon = NeedsRoom() || (more_is_due_ && removals_.empty());
  const auto interval = blocks_.options().sweep_interval / (soon ? kMoreSweeps : 1);
  if (swept_ != SteadyClock::time_point{} && now - swept_ < interval) return absl::OkStatus();
  DCAC_RETURN_IF_ERROR(Sweep(control));
  swept_ = now;
  return absl::OkStatus();
}

// What is about to be removed makes room first.
bool S3Sweeper::NeedsRoom() {
  missing_bytes_ = std::max(missing_bytes_, blocks_.TakeMissingBytes());
  const std::uint64_t capacity = blocks_.options().limits.capacity_bytes;
  const std::uint64_t bytes = blocks_.account().total().stored_bytes + blocks_.account().reserved_bytes();
  const bool full = bytes > capacity / 100 * (100 - kFreePercent);
  return capacity > 0 && removals_.empty() && (full || missing_bytes_ > 0);
}

absl::Status S3Sweeper::Sweep(const CallControl& control) {
  std::map<std::string, Usage, std::less<>> usages;
  std::set<std::string> used;
  std::uint64_t damaged = 0, charge = 0;
  Oldest oldest;
  more_is_due_ = false;
  DCAC_RETURN_IF_ERROR(blocks_.notes().Refresh(control));
  S3Page page;
  do {
    DCAC_RETURN_IF_ERROR(FinishRemovals(control));
    DCAC_ASSIGN_OR_RETURN(page, blocks_.LoadPage("", page.last, kPageNames, control));
    damaged += page.unreadable.size();
    for (const S3Block& block : page.blocks) {
      const BlockInfo& info = block.head.record.info;
      Usage& usage = usages[std::string(OwnerOf(info.key))];
      ++usage.blocks;
      usage.stored_bytes += info.size_bytes;
      usage.raw_bytes += info.raw_bytes;
      damaged += block.head.record.damaged ? 1 : 0;
      used.insert(block.head.parts_id);
      charge += ChargeOf(info.size_bytes);
      if (!info.pinned) oldest.emplace(UsedAt(block), info);
      if (oldest.size() > kMostRemovals) oldest.erase(std::prev(oldest.end()));
    }
    std::vector<Removal> expired;
    for (const S3Block& block : page.expired) {
      const BlockInfo& info = block.head.record.info;
      used.insert(block.head.parts_id);
      expired.push_back({.encoded = EncodeKey(info.key), .version = info.version});
    }
    DCAC_RETURN_IF_ERROR(Note(std::move(expired), control));
  } while (page.more);
  blocks_.account().Recount(usages);
  damaged_blocks_ = damaged;
  // Which parts a damaged head refers to is not known.
  DCAC_RETURN_IF_ERROR(SweepUploads(damaged == 0, used, control));
  return Evict(oldest, charge + blocks_.account().reserved_bytes(), control);
}

absl::Status S3Sweeper::Evict(const Oldest& oldest, std::uint64_t charge, const CallControl& control) {
  const std::uint64_t capacity = blocks_.options().limits.capacity_bytes;
  if (capacity == 0) return absl::OkStatus();
  const std::uint64_t most = capacity / 100 * (100 - kFreePercent);
  const std::uint64_t goal = std::min(most, charge - std::min(charge, std::exchange(missing_bytes_, 0)));
  std::vector<Removal> evicted;
  for (auto block = oldest.begin(); block != oldest.end() && charge > goal; ++block) {
    const BlockInfo& info = block->second;
    evicted.push_back({.encoded = EncodeKey(info.key), .version = info.version, .evicted = true, .used = block->first});
    charge -= ChargeOf(info.size_bytes);
  }
  return Note(std::move(evicted), control);
}

absl::Status S3Sweeper::Note(std::vector<Removal> removals, const CallControl& control) {
  std::set<std::string_view> known;
  for (const Removal& removal : removals_) known.insert(removal.encoded);
  std::erase_if(removals, [&](const Removal& removal) { return known.contains(removal.encoded); });
  const std::size_t most = kMostRemovals - std::min(kMostRemovals, removals_.size());
  if (removals.size() > most) {
    more_is_due_ = true;
    removals.resize(most);
  }
  std::vector<absl::Status> results(removals.size());
  InParallel(results.size(), kS3Parallel, [&](std::size_t i) {
    Removal& removal = removals[i];
    removal.note = blocks_.notes().NameOf(removal.encoded, NewId(blocks_.now()));
    removal.begun = SteadyClock::now();
    const std::string_view text = removal.evicted ? "evicted" : "expired";
    results[i] = blocks_.client().Put(removal.note, {AsBytes(text)}, false, control);
    removal.noted = SteadyClock::now();
  });
  for (std::size_t i = 0; i < results.size(); ++i) {
    if (results[i].ok()) removals_.push_back(std::move(removals[i]));
  }
  for (const absl::Status& status : results) DCAC_RETURN_IF_ERROR(status);
  return absl::OkStatus();
}

absl::Status S3Sweeper::FinishRemovals(const CallControl& control) {
  const auto due_since = SteadyClock::now() - blocks_.options().removal_delay;
  const auto end = std::ranges::partition(removals_, [&](const Removal& x) { return x.noted > due_since; }).begin();
  const std::span<Removal> due(end, removals_.end());
  std::vector<absl::Status> results(due.size(), absl::UnavailableError("the S3 store is away"));
  std::atomic<bool> away{false};
  InParallel(due.size(), kS3Parallel, [&](std::size_t i) {
    if (away) return;
    results[i] = Finish(due[i], control);
    due[i].done = results[i].ok();
    away = away || absl::IsUnavailable(results[i]) || absl::IsDeadlineExceeded(results[i]) ||
           absl::IsCancelled(results[i]);
  });
  // One that fails does not hold up the others.
  std::erase_if(removals_, [](const Removal& removal) { return removal.done; });
  for (const absl::Status& status : results) DCAC_RETURN_IF_ERROR(status);
  return absl::OkStatus();
}

// Removes nothing after the window: then others may take its note for left over.
absl::Status S3Sweeper::Finish(Removal& removal, const CallControl& control) {
  const auto window_end = removal.begun + blocks_.options().removal_delay + blocks_.options().removal_window;
  if (SteadyClock::now() < window_end) {
    const bool was_tried = std::exchange(removal.tried, true);
    DCAC_RETURN_IF_ERROR(
        Remove(removal, {.deadline = std::min(control.deadline, window_end), .cancelled = control.cancelled}));
    removal.tried = was_tried;
  }
  // Only now may who puts be sure that nothing is removed any more.
  return removal.tried ? absl::OkStatus() : blocks_.client().Delete(removal.note, control);
}

// Not if it was put anew, followed by another, given more time, pinned or touched.
bool S3Sweeper::IsStillDue(const Removal& removal, const S3Block& block) const {
  const BlockInfo& info = block.head.record.info;
  if (info.version != removal.version) return false;
  return block.expired || (removal.evicted && !info.pinned && UsedAt(block) <= removal.used);
}

absl::Status S3Sweeper::Remove(const Removal& removal, const CallControl& control) {
  const auto block = blocks_.Load(removal.encoded, false, control);
  // What cannot be read any more is kept.
  if (absl::IsNotFound(block.status()) || absl::IsDataLoss(block.status())) return absl::OkStatus();
  DCAC_RETURN_IF_ERROR(block.status());
  if (!IsStillDue(removal, *block)) return absl::OkStatus();
  // Who has deleted the note took it for left over.
  std::array<std::byte, 1> byte;
  const absl::Status noted = blocks_.client().Get(removal.note, 0, byte, control).status();
  if (absl::IsNotFound(noted)) return absl::OkStatus();
  DCAC_RETURN_IF_ERROR(noted);
  DCAC_RETURN_IF_ERROR(blocks_.client().Delete(blocks_.BlockName(removal.encoded), control));
  DCAC_RETURN_IF_ERROR(blocks_.DeleteAll(blocks_.NextName(removal.encoded, ""), control));
  DCAC_RETURN_IF_ERROR(blocks_.DeleteAll(blocks_.ChangeName(removal.encoded, ""), control));
  if (!block->head.parts_id.empty()) blocks_.DropLater(block->head.parts_id);
  if (block->expired) {
    ++expired_blocks_;
    return absl::OkStatus();
  }
  ++evicted_blocks_;
  const BlockInfo& info = block->head.record.info;
  blocks_.account().Remove(OwnerOf(info.key), UsageOf(info));
  return absl::OkStatus();
}

absl::StatusOr<std::map<std::string, std::uint64_t>> S3Sweeper::RemoveOld(const std::string& prefix, Time before,
                                                                          const std::set<std::string>& used,
                                                                          const CallControl& control) {
  std::map<std::string, std::uint64_t> left;
  S3ListPage page;
  do {
    const std::string after = page.entries.empty() ? "" : page.entries.back().name;
    DCAC_RETURN_IF_ERROR(FinishRemovals(control));
    DCAC_ASSIGN_OR_RETURN(page, blocks_.client().List(prefix, after, kPageNames, control));
    std::vector<std::string> old;
    for (const S3Entry& entry : page.entries) {
      const std::size_t end = std::min(entry.name.find('/', prefix.size()), entry.name.size());
      const std::string id = entry.name.substr(prefix.size(), end - prefix.size());
      const auto made = TimeOfId(id);
      if (!made || used.contains(id)) continue;
      if (*made < before) {
        old.push_back(entry.name);
      } else {
        left[id] += entry.size_bytes;
      }
    }
    DCAC_RETURN_IF_ERROR(blocks_.DeleteObjects(old, control));
  } while (page.more);
  return left;
}

absl::Status S3Sweeper::SweepUploads(bool all_known, const std::set<std::string>& used, const CallControl& control) {
  const auto begun = SteadyClock::now();
  // No block that is published from now on refers to parts that old.
  const Time old = blocks_.now() - blocks_.options().limits.upload_ttl - kGrace;
  DCAC_ASSIGN_OR_RETURN(const auto bytes, RemoveOld(blocks_.AllPartsPrefix(), all_known ? old : Time(), used, control));
  DCAC_ASSIGN_OR_RETURN(const auto uploads, RemoveOld(blocks_.UploadName(""), old, {}, control));
  std::vector<std::pair<std::string, S3Blocks::BrokenOff>> found;
  for (const auto& [id, state_bytes] : uploads) {
    const auto parts = bytes.find(id);
    if (parts != bytes.end()) found.push_back({id, {.owner = {}, .bytes = parts->second}});
  }
  std::vector<absl::Status> results(found.size());
  InParallel(found.size(), kS3Parallel, [&](std::size_t i) {
    const auto start = S3Upload::ReadStart(blocks_, found[i].first, control);
    results[i] = start.status();
    if (start.ok()) found[i].second.owner = OwnerOf(start->key);
  });
  std::map<std::string, S3Blocks::BrokenOff> broken_off;
  for (std::size_t i = 0; i < found.size(); ++i) {
    if (absl::IsNotFound(results[i])) continue;
    DCAC_RETURN_IF_ERROR(results[i]);
    broken_off.insert(std::move(found[i]));
  }
  blocks_.RecountBrokenOff(broken_off, begun);
  return absl::OkStatus();
}

}  // namespace dcac::store
