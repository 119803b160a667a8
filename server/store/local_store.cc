#include "server/store/local_store.h"

#include <rocksdb/env.h>

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "server/store/checks.h"
#include "server/store/key.h"
#include "server/store/local_blocks.h"
#include "server/store/local_upload.h"
#include "server/store/memory_file_system.h"

namespace dcac::store {
namespace {

// Of blocks that are published together.
constexpr std::size_t kGroupBytes = std::size_t{4} << 20;
// Records that are looked at for a page of scrubbing before their payloads are read.
constexpr std::size_t kScrubKeys = 256;
constexpr std::size_t kScrubReadBytes = std::size_t{1} << 20;

absl::Status Damaged(const std::string& key, const absl::Status& what) {
  return absl::DataLossError(absl::StrCat(key, ": stored bytes are damaged: ", what.message()));
}

class LocalReader final : public BlockReader {
 public:
  LocalReader(LocalBlocks& blocks, BlockInfo info, PayloadReader payload)
      : blocks_(blocks), info_(std::move(info)), payload_(std::move(payload)) {}

  const BlockInfo& info() const override { return info_; }

  absl::Status Read(std::uint64_t offset, std::span<std::byte> out, const CallControl& control) const override {
    DCAC_RETURN_IF_ERROR(CheckControl(control));
    DCAC_RETURN_IF_ERROR(CheckRange(info_, offset, out.size()));
    const absl::Status status = payload_.Read(info_.size_bytes, offset, out);
    if (!absl::IsDataLoss(status)) return status;
    blocks_.NoteDamage(info_.key, info_.version);
    return Damaged(info_.key, status);
  }

 private:
  LocalBlocks& blocks_;
  const BlockInfo info_;
  const PayloadReader payload_;
};

class InlineReader final : public BlockReader {
 public:
  InlineReader(BlockInfo info, Bytes payload) : info_(std::move(info)), payload_(std::move(payload)) {}

  const BlockInfo& info() const override { return info_; }
  std::uint64_t memory_bytes() const override { return payload_.size(); }

  absl::Status Read(std::uint64_t offset, std::span<std::byte> out, const CallControl&) const override {
    DCAC_RETURN_IF_ERROR(CheckRange(info_, offset, out.size()));
    std::copy_n(payload_.begin() + static_cast<std::ptrdiff_t>(offset), out.size(), out.begin());
    return absl::OkStatus();
  }

 private:
  const BlockInfo info_;
  const Bytes payload_;
};

// What a store in memory runs on.
struct MemoryDisk {
  MemoryFileSystem files;
  std::unique_ptr<rocksdb::Env> environment{rocksdb::NewMemEnv(rocksdb::Env::Default())};
};

class LocalStore final : public BlockStore {
 public:
  LocalStore(std::unique_ptr<LocalBlocks> blocks, const char* name, std::unique_ptr<MemoryDisk> disk = nullptr)
      : disk_(std::move(disk)), blocks_(std::move(blocks)), name_(name) {}

  absl::StatusOr<std::unique_ptr<Upload>> Begin(const UploadStart& start, const CallControl& control) override {
    DCAC_RETURN_IF_ERROR(CheckControl(control));
    return LocalUpload::Begin(*blocks_, start);
  }

  absl::StatusOr<std::unique_ptr<Upload>> Resume(const std::string& upload_id, const std::string& owner,
                                                 const CallControl& control) override {
    DCAC_RETURN_IF_ERROR(CheckControl(control));
    return LocalUpload::Resume(*blocks_, upload_id, owner);
  }

  std::vector<absl::StatusOr<BlockInfo>> PutMany(std::span<const SmallBlock> blocks,
                                                 const CallControl& control) override;
  absl::StatusOr<std::shared_ptr<const BlockReader>> Open(const std::string& key, const CallControl& control) override;
  std::vector<absl::StatusOr<BlockInfo>> Stat(std::span<const std::string> keys, const CallControl& control) override;
  absl::StatusOr<ListPage> List(const ListRequest& request, const CallControl& control) override;

  std::vector<absl::Status> Delete(std::span<const std::string> keys, const CallControl& control) override {
    if (const absl::Status status = CheckControl(control); !status.ok()) {
      return std::vector<absl::Status>(keys.size(), status);
    }
    return blocks_->Delete(keys);
  }

  absl::StatusOr<BlockInfo> Update(const std::string& key, const BlockUpdate& update,
                                   const CallControl& control) override;
  absl::StatusOr<Usage> ReadUsage(const std::string& prefix, const CallControl& control) override;
  absl::StatusOr<ScrubPage> Scrub(const ScrubRequest& request, const CallControl& control) override;
  absl::Status Maintain(const CallControl& control) override { return blocks_->Maintain(control); }
  StoreStatus Status() const override;

 private:
  absl::StatusOr<BlockInfo> PutOne(const SmallBlock& block, const CallControl& control);
  absl::StatusOr<std::shared_ptr<const BlockReader>> OpenRecord(const Record& record) const;
  absl::Status ReadAll(const Record& record, const CallControl& control) const;
  absl::Status ReadAgain(const Record& record, const CallControl& control) const;

  const std::unique_ptr<MemoryDisk> disk_;  // that the blocks are on; null: that of the machine
  const std::unique_ptr<LocalBlocks> blocks_;
  const char* const name_;
  std::atomic<std::uint64_t> scrubbed_bytes_{0};
};

absl::StatusOr<BlockInfo> LocalStore::PutOne(const SmallBlock& block, const CallControl& control) {
  DCAC_ASSIGN_OR_RETURN(const std::unique_ptr<Upload> upload,
                        Begin({.key = block.key, .expected_bytes = block.bytes.size(), .state = {}}, control));
  DCAC_RETURN_IF_ERROR(upload->Append(block.bytes, control));
  return upload->Commit(block.options, control);
}

// Those that fit the index together, in one change of it.
std::vector<absl::StatusOr<BlockInfo>> LocalStore::PutMany(std::span<const SmallBlock> blocks,
                                                           const CallControl& control) {
  std::vector<absl::StatusOr<BlockInfo>> results(blocks.size());
  std::vector<NewBlock> group;
  std::vector<std::size_t> places;
  std::set<std::string> keys;
  std::size_t group_bytes = 0;
  const auto publish = [&] {
    const std::vector<absl::StatusOr<BlockInfo>> published = blocks_->Publish(group);
    for (std::size_t i = 0; i < places.size(); ++i) {
      results[places[i]] = published[i];
      if (!published[i].ok()) blocks_->account().Release(OwnerOf(group[i].key), group[i].reserved_bytes);
    }
    group.clear();
    group_bytes = 0;
    places.clear();
    keys.clear();
  };
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    const SmallBlock& block = blocks[i];
    absl::Status status = CheckControl(control);
    if (status.ok()) status = CheckSmallBlock(block);
    if (keys.contains(block.key) || group_bytes + block.bytes.size() > kGroupBytes) publish();
    if (status.ok() && block.bytes.size() > kMaxInlineBytes) {
      results[i] = PutOne(block, control);
      continue;
    }
    const std::uint64_t reserved = ChargeOf(block.bytes.size());
    if (status.ok()) status = blocks_->Reserve(OwnerOf(block.key), reserved);
    if (!status.ok()) {
      results[i] = status;
      continue;
    }
    group.push_back({block.key, RandomId(), block.bytes.size(), ByteSpan(block.bytes), &block.options, reserved});
    group_bytes += block.bytes.size();
    places.push_back(i);
    keys.insert(block.key);
  }
  publish();
  return results;
}

absl::StatusOr<std::shared_ptr<const BlockReader>> LocalStore::OpenRecord(const Record& record) const {
  if (record.inlined) {
    DCAC_ASSIGN_OR_RETURN(Bytes payload, blocks_->index().ReadPayload(record));
    return std::make_shared<InlineReader>(record.info, std::move(payload));
  }
  DCAC_ASSIGN_OR_RETURN(PayloadReader payload, blocks_->payloads().Open(record.info.version, /*writable=*/false));
  if (payload.owner().key != record.info.key) return absl::DataLossError("file is that of another key");
  return std::make_shared<LocalReader>(*blocks_, record.info, std::move(payload));
}

absl::StatusOr<std::shared_ptr<const BlockReader>> LocalStore::Open(const std::string& key,
                                                                    const CallControl& control) {
  DCAC_RETURN_IF_ERROR(CheckControl(control));
  DCAC_RETURN_IF_ERROR(CheckKey(key));
  // A file that is gone was removed since its record was read, unless the record is still the same.
  std::string missing_version;
  while (true) {
    DCAC_ASSIGN_OR_RETURN(const Record record, blocks_->Find(key));
    if (record.damaged) return Damaged(key, absl::DataLossError("in quarantine"));
    auto reader = OpenRecord(record);
    const bool gone = absl::IsNotFound(reader.status()) || absl::IsDataLoss(reader.status());
    if (gone && missing_version != record.info.version) {
      missing_version = record.info.version;
      continue;
    }
    if (gone) {
      DCAC_RETURN_IF_ERROR(blocks_->payloads().CheckFolder(record.info.version));
      blocks_->NoteDamage(key, record.info.version);
      return Damaged(key, reader.status());
    }
    if (reader.ok()) blocks_->NoteUse(record);
    return reader;
  }
}

std::vector<absl::StatusOr<BlockInfo>> LocalStore::Stat(std::span<const std::string> keys, const CallControl& control) {
  std::vector<absl::StatusOr<BlockInfo>> results;
  for (const std::string& key : keys) {
    absl::Status status = CheckControl(control);
    if (status.ok()) status = CheckKey(key);
    const absl::StatusOr<Record> record = status.ok() ? blocks_->Find(key) : status;
    results.push_back(record.ok() ? absl::StatusOr<BlockInfo>(record->info) : record.status());
  }
  return results;
}

absl::StatusOr<ListPage> LocalStore::List(const ListRequest& request, const CallControl& control) {
  DCAC_RETURN_IF_ERROR(CheckList(request));
  ListPage page;
  absl::Status status;
  const Time now = blocks_->now();
  DCAC_RETURN_IF_ERROR(blocks_->index().ForEach(
      request.prefix, request.start_after, [&](const std::string& key, const absl::StatusOr<Record>& record) {
        status = CheckControl(control);
        if (!status.ok()) return false;
        if (record.ok() && record->info.expires && *record->info.expires <= now) return true;
        if (page.blocks.size() == request.limit) {
          page.more = true;
          return false;
        }
        // One that cannot be read is told all the same: it is there, and reading it is an error.
        page.blocks.push_back(record.ok() ? record->info : BlockInfo{.key = key});
        return true;
      }));
  DCAC_RETURN_IF_ERROR(status);
  return page;
}

absl::StatusOr<BlockInfo> LocalStore::Update(const std::string& key, const BlockUpdate& update,
                                             const CallControl& control) {
  DCAC_RETURN_IF_ERROR(CheckControl(control));
  DCAC_RETURN_IF_ERROR(CheckKey(key));
  DCAC_ASSIGN_OR_RETURN(const Record record, blocks_->Change(key, "", [&](Record& changed) {
    const Time now = blocks_->now();
    if (update.touch) changed.accessed = now;
    if (update.pinned) changed.info.pinned = *update.pinned;
    if (update.set_ttl) changed.info.expires = update.ttl ? std::optional(now + *update.ttl) : std::nullopt;
  }));
  return record.info;
}

absl::StatusOr<Usage> LocalStore::ReadUsage(const std::string& prefix, const CallControl& control) {
  Usage usage;
  absl::Status status;
  const Time now = blocks_->now();
  DCAC_RETURN_IF_ERROR(
      blocks_->index().ForEach(prefix, "", [&](const std::string&, const absl::StatusOr<Record>& record) {
        status = CheckControl(control);
        if (!status.ok()) return false;
        if (!record.ok() || (record->info.expires && *record->info.expires <= now)) return true;
        ++usage.blocks;
        usage.stored_bytes += record->info.size_bytes;
        usage.raw_bytes += record->info.raw_bytes;
        return true;
      }));
  DCAC_RETURN_IF_ERROR(status);
  return usage;
}

absl::Status LocalStore::ReadAll(const Record& record, const CallControl& control) const {
  DCAC_ASSIGN_OR_RETURN(const std::shared_ptr<const BlockReader> reader, OpenRecord(record));
  Bytes buffer(std::min<std::uint64_t>(record.info.size_bytes, kScrubReadBytes));
  for (std::uint64_t offset = 0; offset < record.info.size_bytes; offset += buffer.size()) {
    const auto n = static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), record.info.size_bytes - offset));
    DCAC_RETURN_IF_ERROR(reader->Read(offset, std::span(buffer).first(n), control));
  }
  return absl::OkStatus();
}

// After an error of the disk: one that comes again for this block alone is damage of the block.
absl::Status LocalStore::ReadAgain(const Record& record, const CallControl& control) const {
  DCAC_RETURN_IF_ERROR(blocks_->payloads().CheckFolder(record.info.version));
  const absl::Status status = ReadAll(record, control);
  if (!absl::IsUnavailable(status)) return status;
  blocks_->NoteDamage(record.info.key, record.info.version);
  return Damaged(record.info.key, status);
}

absl::StatusOr<ScrubPage> LocalStore::Scrub(const ScrubRequest& request, const CallControl& control) {
  std::vector<std::pair<std::string, absl::StatusOr<Record>>> records;
  DCAC_RETURN_IF_ERROR(blocks_->index().ForEach(request.prefix, request.start_after,
                                                [&](const std::string& key, absl::StatusOr<Record> record) {
                                                  records.emplace_back(key, std::move(record));
                                                  return records.size() < kScrubKeys;
                                                }));
  ScrubPage page;
  const bool more = records.size() == kScrubKeys;
  for (const auto& [key, record] : records) {
    if (page.bytes >= request.max_bytes) return page;
    page.last_key = key;
    ++page.blocks;
    absl::Status status = record.ok() ? ReadAll(*record, control) : record.status();
    if (record.ok() && absl::IsUnavailable(status)) status = ReadAgain(*record, control);
    // Of a block that was put anew or deleted meanwhile the file is gone: what counts is what is there now.
    if (absl::IsDataLoss(status) || absl::IsNotFound(status)) status = Open(key, control).status();
    if (absl::IsDataLoss(status)) {
      page.damaged.push_back(key);
    } else if (!absl::IsNotFound(status)) {
      DCAC_RETURN_IF_ERROR(status);
    }
    if (record.ok()) page.bytes += record->info.size_bytes;
    if (record.ok()) scrubbed_bytes_ += record->info.size_bytes;
  }
  if (!more) page.last_key.clear();
  return page;
}

StoreStatus LocalStore::Status() const {
  return {.backend = name_,
          .usage = blocks_->account().total(),
          .capacity_bytes = blocks_->limits().capacity_bytes,
          .owner_quota_bytes = blocks_->limits().owner_quota_bytes,
          .reserved_bytes = blocks_->account().reserved_bytes(),
          .open_uploads = blocks_->uploads().running(),
          .damaged_blocks = blocks_->damaged_blocks(),
          .evicted_blocks = blocks_->evicted_blocks(),
          .expired_blocks = blocks_->expired_blocks(),
          .scrubbed_bytes = scrubbed_bytes_};
}

}  // namespace

absl::StatusOr<std::unique_ptr<BlockStore>> OpenLocalStore(const LocalStoreOptions& options) {
  DCAC_ASSIGN_OR_RETURN(std::unique_ptr<LocalBlocks> blocks, LocalBlocks::Open(options));
  if (options.on_warning && blocks->index().lost_log_end()) {
    options.on_warning(absl::StrCat(options.folder,
                                    ": the end of the index's log was damaged, as a crash of the machine ",
                                    "leaves it; the changes from there on are lost"));
  }
  return std::make_unique<LocalStore>(std::move(blocks), "local");
}

absl::StatusOr<std::unique_ptr<BlockStore>> OpenMemoryStore(const StoreLimits& limits, std::function<Time()> now) {
  auto disk = std::make_unique<MemoryDisk>();
  LocalStoreOptions options{.folder = "/memory", .limits = limits, .sync = SyncPolicy::kNone};
  options.files = &disk->files;
  options.environment = disk->environment.get();
  options.now = std::move(now);
  DCAC_ASSIGN_OR_RETURN(std::unique_ptr<LocalBlocks> blocks, LocalBlocks::Open(options));
  return std::make_unique<LocalStore>(std::move(blocks), "memory", std::move(disk));
}

}  // namespace dcac::store
