#include "server/store/local_index.h"

#include <algorithm>
#include <memory>
#include <mutex>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/hash.h"
#include "core/base/status_macros.h"

namespace dcac::store {
namespace {

constexpr int kChecksumBytes = 8;

// Between the key and the record of a removal: keys have no control characters.
constexpr char kEndOfKey = '\0';

constexpr std::size_t kTimeBytes = 8;

// So that the order of bytes is that of times, then of keys.
std::string TimeKey(Time time, std::string_view key) {
  std::string out;
  const auto number = static_cast<std::uint64_t>(time.time_since_epoch().count());
  for (int shift = 56; shift >= 0; shift -= 8) out.push_back(static_cast<char>(number >> shift & 0xFFu));
  return out.append(key);
}

TimedKey FromTimeKey(std::string_view bytes) {
  std::int64_t number = 0;
  for (const char byte : bytes.substr(0, kTimeBytes)) number = number << 8 | static_cast<unsigned char>(byte);
  return {Time(std::chrono::milliseconds(number)), std::string(bytes.substr(std::min(kTimeBytes, bytes.size())))};
}

std::string SerializeRemoval(const Record& replaced) {
  return absl::StrCat(replaced.info.key, std::string(1, kEndOfKey), SerializeRecord(replaced));
}

Removal ParseRemoval(std::string_view id, std::string_view bytes) {
  Removal removal{std::string(id), std::nullopt};
  const std::size_t end = bytes.find(kEndOfKey);
  if (end == std::string_view::npos) return removal;
  // One that cannot be read cannot come back.
  if (absl::StatusOr<Record> record = ParseRecord(bytes.substr(0, end), bytes.substr(end + 1)); record.ok()) {
    removal.replaced = *std::move(record);
  }
  return removal;
}

}  // namespace

void LocalIndex::Changes::Put(const std::optional<Record>& old, const Record& record, std::optional<ByteSpan> payload,
                              OldPayload old_payload) {
  if (old) EraseTimes(*old);
  if (old && old->info.version != record.info.version) {
    if (old_payload == OldPayload::kErase) ErasePayload(*old);
    if (old_payload == OldPayload::kKeep) changes_.push_back({kRemovals, old->info.version, SerializeRemoval(*old)});
  }
  const std::string& key = record.info.key;
  changes_.push_back({kRecords, key, SerializeRecord(record)});
  // Its file may be one that was to be removed: of a block lost to a crash, whose upload went on thereafter.
  const bool is_new = !old || old->info.version != record.info.version;
  if (is_new && !record.inlined) changes_.push_back({kRemovals, record.info.version, std::nullopt});
  if (payload) {
    std::string value(AsText(*payload));
    Bytes checksum;
    AppendLittleEndian(HashOf(*payload, SeedOf(record.info.version)), kChecksumBytes, checksum);
    changes_.push_back({kPayloads, record.info.version, value.append(AsText(checksum))});
  }
  if (record.info.expires) changes_.push_back({kExpiry, TimeKey(*record.info.expires, key), ""});
  if (!record.info.pinned) changes_.push_back({kRecency, TimeKey(record.accessed, key), ""});
}

void LocalIndex::Changes::Erase(const Record& old) {
  EraseRecord(old.info.key);
  EraseTimes(old);
  ErasePayload(old);
}

void LocalIndex::Changes::EraseRecord(const std::string& key) {
  changes_.push_back({kRecords, key, std::nullopt});
}

void LocalIndex::Changes::EraseRemoval(const std::string& id) {
  changes_.push_back({kRemovals, id, std::nullopt});
}

void LocalIndex::Changes::EraseExpiry(const TimedKey& entry) {
  changes_.push_back({kExpiry, TimeKey(entry.time, entry.key), std::nullopt});
}

void LocalIndex::Changes::EraseRecency(const TimedKey& entry) {
  changes_.push_back({kRecency, TimeKey(entry.time, entry.key), std::nullopt});
}

void LocalIndex::Changes::EraseTimes(const Record& old) {
  if (old.info.expires) EraseExpiry({*old.info.expires, old.info.key});
  EraseRecency({old.accessed, old.info.key});
}

void LocalIndex::Changes::ErasePayload(const Record& old) {
  if (old.inlined) {
    EraseInlined(old.info.version);
  } else {
    changes_.push_back({kRemovals, old.info.version, ""});
  }
}

void LocalIndex::Changes::EraseInlined(const std::string& id) {
  changes_.push_back({kPayloads, id, std::nullopt});
}

absl::StatusOr<std::unique_ptr<LocalIndex>> LocalIndex::Open(const std::string& folder, const IndexOptions& options) {
  DCAC_ASSIGN_OR_RETURN(std::unique_ptr<IndexDatabase> database, IndexDatabase::Open(folder, options));
  return std::unique_ptr<LocalIndex>(new LocalIndex(std::move(database)));
}

absl::StatusOr<Record> LocalIndex::Find(std::string_view key) const {
  DCAC_ASSIGN_OR_RETURN(const std::string value, database_->Get(kRecords, key));
  return ParseRecord(key, value);
}

absl::StatusOr<Bytes> LocalIndex::ReadPayload(const Record& record) const {
  const absl::StatusOr<std::string> value = database_->Get(kPayloads, record.info.version);
  if (absl::IsNotFound(value.status())) return absl::DataLossError("payload is missing");
  DCAC_RETURN_IF_ERROR(value.status());
  const ByteSpan bytes = AsBytes(*value);
  if (bytes.size() != record.info.size_bytes + kChecksumBytes) {
    return absl::DataLossError(absl::StrCat("payload has ", bytes.size(), " bytes with its checksum, expected ",
                                            record.info.size_bytes + kChecksumBytes));
  }
  const ByteSpan payload = bytes.first(bytes.size() - kChecksumBytes);
  if (LoadLittleEndian64(bytes.data() + payload.size()) != HashOf(payload, SeedOf(record.info.version))) {
    return absl::DataLossError("checksum of the payload does not match");
  }
  return Bytes(payload.begin(), payload.end());
}

absl::Status LocalIndex::Write(const Changes& changes, bool sync, bool* in_doubt) {
  DCAC_RETURN_IF_ERROR(database_->Write(changes.changes_, sync, in_doubt));
  for (const IndexChange& change : changes.changes_) {
    const bool timed = change.family == kExpiry || change.family == kRecency;
    if (timed && change.value) NoteTimed(change.family, change.key);
  }
  return absl::OkStatus();
}

absl::Status LocalIndex::ForEach(std::string_view prefix, std::string_view start_after, const Visit& visit) const {
  return database_->ForEach(kRecords, std::max(prefix, start_after), [&](std::string_view key, std::string_view value) {
    if (!key.starts_with(prefix)) return false;
    if (!start_after.empty() && key == start_after) return true;
    return visit(std::string(key), ParseRecord(key, value));
  });
}

absl::StatusOr<std::vector<Removal>> LocalIndex::Removals() const {
  std::vector<Removal> removals;
  DCAC_RETURN_IF_ERROR(database_->ForEach(kRemovals, "", [&](std::string_view id, std::string_view value) {
    removals.push_back(ParseRemoval(id, value));
    return true;
  }));
  return removals;
}

// The first entries of `family` until `last`.
absl::StatusOr<std::vector<TimedKey>> LocalIndex::ReadTimed(IndexFamily family, Time last, std::size_t limit) const {
  std::vector<TimedKey> entries;
  const std::lock_guard lock(order_mutex_);
  std::string& first = first_entries_[family];
  bool is_first = true;
  DCAC_RETURN_IF_ERROR(database_->ForEach(family, first, [&](std::string_view key, std::string_view) {
    if (std::exchange(is_first, false)) first = key;
    if (entries.size() == limit) return false;
    TimedKey entry = FromTimeKey(key);
    if (entry.time > last) return false;
    entries.push_back(std::move(entry));
    return true;
  }));
  return entries;
}

// After the entry is there: whoever looked for the first one before did not see it.
void LocalIndex::NoteTimed(IndexFamily family, const std::string& key) {
  const std::lock_guard lock(order_mutex_);
  first_entries_[family] = std::min(first_entries_[family], key);
}

absl::StatusOr<std::vector<TimedKey>> LocalIndex::Expired(Time now, std::size_t limit) const {
  return ReadTimed(kExpiry, now, limit);
}

absl::StatusOr<std::vector<TimedKey>> LocalIndex::LeastRecentlyUsed(std::size_t limit) const {
  return ReadTimed(kRecency, Time::max(), limit);
}

}  // namespace dcac::store
