#include "server/store/s3_store.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "server/store/checks.h"
#include "server/store/key.h"
#include "server/store/operator_text.h"
#include "server/store/s3_blocks.h"
#include "server/store/s3_names.h"
#include "server/store/s3_sweeper.h"
#include "server/store/s3_upload.h"

namespace dcac::store {
namespace {

constexpr std::size_t kMaxPrefixBytes = 200;
constexpr std::size_t kListNames = 1000;
// What has expired is not listed: with pages of only as many names as are missing, much of it would take for ever.
constexpr std::size_t kFewestListNames = 256;
constexpr std::size_t kUsageNames = 1000;
constexpr std::size_t kScrubNames = 64;
constexpr std::size_t kScrubBytes = std::size_t{4} << 20;

bool IsNameCharacter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
         c == '_' || c == '/';
}

bool ByKey(const BlockInfo& a, const BlockInfo& b) {
  return a.key < b.key;
}

class S3Store : public BlockStore {
 public:
  explicit S3Store(S3StoreOptions options) : blocks_(std::move(options)), sweeper_(blocks_) {}

  absl::Status Probe(const CallControl& control) { return blocks_.Probe(control); }

  absl::StatusOr<std::unique_ptr<Upload>> Begin(const UploadStart& start, const CallControl& control) override {
    return S3Upload::Begin(blocks_, start, control);
  }

  absl::StatusOr<std::unique_ptr<Upload>> Resume(const std::string& id, const std::string& owner,
                                                 const CallControl& control) override {
    return S3Upload::Resume(blocks_, id, owner, control);
  }

  std::vector<absl::StatusOr<BlockInfo>> PutMany(std::span<const SmallBlock> blocks,
                                                 const CallControl& control) override;
  absl::StatusOr<std::shared_ptr<const BlockReader>> Open(const std::string& key, const CallControl& control) override;
  std::vector<absl::StatusOr<BlockInfo>> Stat(std::span<const std::string> keys, const CallControl& control) override;
  absl::StatusOr<ListPage> List(const ListRequest& request, const CallControl& control) override;
  std::vector<absl::Status> Delete(std::span<const std::string> keys, const CallControl& control) override;
  absl::StatusOr<BlockInfo> Update(const std::string& key, const BlockUpdate& update,
                                   const CallControl& control) override;
  absl::StatusOr<Usage> ReadUsage(const std::string& prefix, const CallControl& control) override;
  absl::StatusOr<ScrubPage> Scrub(const ScrubRequest& request, const CallControl& control) override;
  absl::Status Maintain(const CallControl& control) override { return sweeper_.Maintain(control); }
  StoreStatus Status() const override;
  std::uint64_t block_memory_bytes() const override { return kS3OpenBytes; }

 private:
  absl::StatusOr<BlockInfo> PutSmall(const SmallBlock& block, const CallControl& control);
  absl::Status ReadAll(S3Block block, const CallControl& control);
  // Sets `info`, if it can be read.  Errors: DataLoss (in quarantine, or its head is damaged), NotFound (it is not
  // there any more), others (it cannot be read).
  absl::Status ScrubBlock(const std::string& encoded, BlockInfo& info, const CallControl& control);

  mutable S3Blocks blocks_;
  S3Sweeper sweeper_;
};

absl::StatusOr<BlockInfo> S3Store::PutSmall(const SmallBlock& block, const CallControl& control) {
  DCAC_RETURN_IF_ERROR(CheckControl(control));
  DCAC_RETURN_IF_ERROR(CheckSmallBlock(block));
  DCAC_RETURN_IF_ERROR(blocks_.Reserve(OwnerOf(block.key), block.bytes.size()));
  S3Head head;
  head.record.info.key = block.key;
  head.record.info.size_bytes = block.bytes.size();
  AppendChecksums(block.bytes, 0, head.checksums);
  auto info = blocks_.Publish(std::move(head), block.bytes, block.options, control);
  blocks_.account().Release(OwnerOf(block.key), block.bytes.size());
  return info;
}

std::vector<absl::StatusOr<BlockInfo>> S3Store::PutMany(std::span<const SmallBlock> blocks,
                                                        const CallControl& control) {
  std::vector<absl::StatusOr<BlockInfo>> results(blocks.size());
  // Blocks of the same key one after another, in their order.
  std::map<std::string, std::vector<std::size_t>> of_key;
  for (std::size_t i = 0; i < blocks.size(); ++i) of_key[blocks[i].key].push_back(i);
  std::vector<const std::vector<std::size_t>*> groups;
  for (const auto& [key, group] : of_key) groups.push_back(&group);
  InParallel(groups.size(), kS3Parallel, [&](std::size_t g) {
    for (const std::size_t i : *groups[g]) results[i] = PutSmall(blocks[i], control);
  });
  return results;
}

absl::StatusOr<std::shared_ptr<const BlockReader>> S3Store::Open(const std::string& key, const CallControl& control) {
  DCAC_RETURN_IF_ERROR(CheckControl(control));
  DCAC_RETURN_IF_ERROR(CheckKey(key));
  DCAC_ASSIGN_OR_RETURN(S3Block block, blocks_.LoadLive(key, true, control));
  std::string parts = blocks_.PartsPrefix(block.head.parts_id);
  return MakeS3Reader(blocks_.client(), std::move(block), std::move(parts));
}

std::vector<absl::StatusOr<BlockInfo>> S3Store::Stat(std::span<const std::string> keys, const CallControl& control) {
  std::vector<absl::StatusOr<BlockInfo>> results(keys.size());
  InParallel(keys.size(), kS3Parallel, [&](std::size_t i) {
    results[i] = [&]() -> absl::StatusOr<BlockInfo> {
      DCAC_RETURN_IF_ERROR(CheckControl(control));
      DCAC_RETURN_IF_ERROR(CheckKey(keys[i]));
      DCAC_ASSIGN_OR_RETURN(S3Block block, blocks_.LoadLive(keys[i], false, control));
      return block.head.record.info;
    }();
  });
  return results;
}

// Names come in the order of keys, but for those that were cut: of these all with the same beginning are read.
absl::StatusOr<ListPage> S3Store::List(const ListRequest& request, const CallControl& control) {
  DCAC_RETURN_IF_ERROR(CheckControl(control));
  DCAC_RETURN_IF_ERROR(CheckList(request));
  const std::string prefix = EncodePrefix(request.prefix);
  const std::string start = request.start_after.empty() ? "" : EncodeKey(request.start_after);
  const std::size_t wanted = request.limit + 1;
  ListPage list;
  S3Page page;
  page.last = CutGroup(start).value_or(start);
  bool in_group = false, is_first = true;
  do {
    const std::size_t missing = wanted - std::min(wanted - 1, list.blocks.size());
    const std::size_t names = std::clamp(missing, is_first ? 1 : kFewestListNames, kListNames);
    is_first = false;
    DCAC_ASSIGN_OR_RETURN(page, blocks_.LoadPage(prefix, page.last, names, control));
    for (const S3Block& block : page.blocks) {
      const BlockInfo& info = block.head.record.info;
      if (info.key > request.start_after && info.key.starts_with(request.prefix)) list.blocks.push_back(info);
    }
    // They are there all the same, and reading them is an error.
    for (const std::string& unreadable : page.unreadable) {
      const auto key = DecodeKey(unreadable);
      if (key && *key > request.start_after && key->starts_with(request.prefix)) list.blocks.push_back({.key = *key});
    }
    std::ranges::sort(list.blocks, ByKey);
    if (list.blocks.size() > wanted) list.blocks.resize(wanted);
    in_group = CutGroup(page.last).has_value();
  } while (page.more && (list.blocks.size() < wanted || in_group));
  list.more = list.blocks.size() > request.limit;
  if (list.more) list.blocks.resize(request.limit);
  return list;
}

std::vector<absl::Status> S3Store::Delete(std::span<const std::string> keys, const CallControl& control) {
  std::vector<absl::Status> results(keys.size());
  InParallel(keys.size(), kS3Parallel, [&](std::size_t i) {
    results[i] = CheckControl(control);
    if (results[i].ok()) results[i] = CheckKey(keys[i]);
    if (results[i].ok()) results[i] = blocks_.Delete(keys[i], control);
  });
  return results;
}

absl::StatusOr<BlockInfo> S3Store::Update(const std::string& key, const BlockUpdate& update,
                                          const CallControl& control) {
  DCAC_RETURN_IF_ERROR(CheckControl(control));
  DCAC_RETURN_IF_ERROR(CheckKey(key));
  // Uses matter where something is evicted.
  const bool used = update.touch && blocks_.options().limits.capacity_bytes > 0;
  if (!used && !update.pinned && !update.set_ttl) {
    DCAC_ASSIGN_OR_RETURN(const S3Block block, blocks_.LoadLive(key, false, control));
    return block.head.record.info;
  }
  const Time now = blocks_.now();
  std::optional<Time> expires;
  if (update.ttl) expires = now + *update.ttl;
  const auto change = [&](Record& record) -> absl::StatusOr<bool> {
    if (record.damaged) return InQuarantine(key);
    const bool differs = (update.pinned && record.info.pinned != *update.pinned) ||
                         (update.set_ttl && record.info.expires != expires) || (used && record.accessed < now);
    if (update.pinned) record.info.pinned = *update.pinned;
    if (update.set_ttl) record.info.expires = expires;
    if (used) record.accessed = std::max(record.accessed, now);
    return differs;
  };
  DCAC_ASSIGN_OR_RETURN(BlockInfo info, blocks_.Change(key, change, control));
  DCAC_RETURN_IF_ERROR(blocks_.CheckKept(key, control));
  return info;
}

absl::StatusOr<Usage> S3Store::ReadUsage(const std::string& prefix, const CallControl& control) {
  Usage usage;
  S3Page page;
  do {
    DCAC_RETURN_IF_ERROR(CheckControl(control));
    DCAC_ASSIGN_OR_RETURN(page, blocks_.LoadPage(EncodePrefix(prefix), page.last, kUsageNames, control));
    for (const S3Block& block : page.blocks) {
      const BlockInfo& info = block.head.record.info;
      if (!info.key.starts_with(prefix)) continue;
      ++usage.blocks;
      usage.stored_bytes += info.size_bytes;
      usage.raw_bytes += info.raw_bytes;
    }
  } while (page.more);
  return usage;
}

absl::Status S3Store::ReadAll(S3Block block, const CallControl& control) {
  const std::uint64_t size_bytes = block.head.record.info.size_bytes;
  std::string parts = blocks_.PartsPrefix(block.head.parts_id);
  const auto reader = MakeS3Reader(blocks_.client(), std::move(block), std::move(parts));
  Bytes buffer(std::min<std::uint64_t>(kScrubBytes, size_bytes));
  for (std::uint64_t at = 0; at < size_bytes; at += buffer.size()) {
    const std::uint64_t size = std::min<std::uint64_t>(buffer.size(), size_bytes - at);
    DCAC_RETURN_IF_ERROR(reader->Read(at, std::span(buffer).first(size), control));
  }
  return absl::OkStatus();
}

absl::Status S3Store::ScrubBlock(const std::string& encoded, BlockInfo& info, const CallControl& control) {
  DCAC_ASSIGN_OR_RETURN(S3Block block, blocks_.Load(encoded, true, control));
  if (block.expired) return NotThere();
  info = block.head.record.info;
  if (block.head.record.damaged) return InQuarantine(info.key);
  const absl::Status read = ReadAll(std::move(block), control);
  if (read.ok()) return read;
  // Without a part it is as damaged as with a wrong one.
  const bool damaged = absl::IsDataLoss(read) || absl::IsNotFound(read);
  bool replaced = false;
  const auto change = [&](Record& now) {
    replaced = now.info.version != info.version;
    if (replaced || !damaged) return false;
    return !std::exchange(now.damaged, true);
  };
  const absl::Status changed = blocks_.Change(info.key, change, control).status();
  if (replaced) return NotThere();
  DCAC_RETURN_IF_ERROR(changed);
  return damaged ? InQuarantine(info.key) : read;
}

absl::StatusOr<ScrubPage> S3Store::Scrub(const ScrubRequest& request, const CallControl& control) {
  DCAC_RETURN_IF_ERROR(CheckControl(control));
  const std::string root = blocks_.BlockName("");
  const std::string prefix = root + EncodePrefix(request.prefix);
  std::string after = request.start_after.empty() ? "" : root + EncodeKey(request.start_after);
  ScrubPage page;
  S3ListPage names;
  do {
    DCAC_ASSIGN_OR_RETURN(names, blocks_.client().List(prefix, after, kScrubNames, control));
    for (const S3Entry& entry : names.entries) {
      after = entry.name;
      const std::string encoded = entry.name.substr(root.size());
      BlockInfo info;
      info.key = DecodeKey(encoded).value_or("");
      absl::Status status = ScrubBlock(encoded, info, control);
      if (S3Blocks::MayBeOfOneBlock(status)) {
        DCAC_RETURN_IF_ERROR(blocks_.CheckServes(control));
        status = ScrubBlock(encoded, info, control);
      }
      if (absl::IsNotFound(status)) continue;
      // One that cannot be read is no reason not to read the others; it is not in quarantine, as the server may get
      // over it.
      const bool unreadable = S3Blocks::MayBeOfOneBlock(status);
      if (!unreadable && !absl::IsDataLoss(status)) DCAC_RETURN_IF_ERROR(status);
      ++page.blocks;
      page.bytes += info.size_bytes;
      if (!status.ok()) page.damaged.push_back(info.key.empty() ? encoded : info.key);
      // To find it unreadable took long.
      if (info.key.empty() || (page.bytes < request.max_bytes && !unreadable)) continue;
      page.last_key = info.key;
      return page;
    }
  } while (names.more);
  return page;
}

StoreStatus S3Store::Status() const {
  StoreStatus status;
  status.backend = "s3";
  status.usage = blocks_.account().total();
  status.capacity_bytes = blocks_.options().limits.capacity_bytes;
  status.reserved_bytes = blocks_.account().reserved_bytes();
  status.open_uploads = blocks_.open_uploads();
  status.damaged_blocks = sweeper_.damaged_blocks();
  status.expired_blocks = sweeper_.expired_blocks();
  status.evicted_blocks = sweeper_.evicted_blocks();
  status.conditional_put = blocks_.conditional_put();
  status.conditional_replace = false;
  return status;
}

Time SystemTime() {
  return std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
}

absl::Status CheckPlace(const S3StoreOptions& options) {
  const std::string& bucket = options.client.bucket;
  if (bucket.empty() || !std::ranges::all_of(bucket, [](char c) { return IsNameCharacter(c) && c != '/'; })) {
    return absl::InvalidArgumentError("expected s3:BUCKET[/PREFIX] with letters, digits and \"-._\" in the bucket");
  }
  const std::string& prefix = options.prefix;
  if (prefix.size() > kMaxPrefixBytes || !std::ranges::all_of(prefix, IsNameCharacter) || prefix.starts_with('/')) {
    return absl::InvalidArgumentError(absl::StrCat("expected s3:BUCKET[/PREFIX] with at most ", kMaxPrefixBytes,
                                                   " letters, digits and \"-._/\" in the prefix"));
  }
  const std::string& endpoint = options.client.endpoint;
  if (!endpoint.empty() && !endpoint.starts_with("http://") && !endpoint.starts_with("https://")) {
    return absl::InvalidArgumentError("the endpoint of S3 does not begin with http:// or https://");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<S3StoreOptions> S3StoreOptionsOf(const std::string& place, const Environment& environment) {
  S3StoreOptions options;
  const std::size_t slash = std::min(place.find('/'), place.size());
  options.client.bucket = place.substr(0, slash);
  if (slash + 1 < place.size()) options.prefix = place.substr(slash + 1);
  options.client.region = FindAwsRegion(environment);
  options.client.endpoint = FindAwsEndpoint(environment);
  DCAC_RETURN_IF_ERROR(CheckPlace(options));
  options.client.read_credentials = [environment] { return FindAwsCredentials(environment); };
  DCAC_ASSIGN_OR_RETURN(options.client.credentials, options.client.read_credentials());
  return options;
}

absl::StatusOr<std::unique_ptr<BlockStore>> OpenS3Store(S3StoreOptions options) {
  DCAC_RETURN_IF_ERROR(CheckPlace(options));
  if (!options.prefix.empty() && !options.prefix.ends_with('/')) options.prefix += '/';
  if (!options.clock) options.clock = SystemTime;
  if (!options.client.clock) options.client.clock = SystemTime;
  const CallControl control{.deadline = std::chrono::steady_clock::now() + options.probe_for};
  auto store = std::make_unique<S3Store>(std::move(options));
  const absl::Status probed = store->Probe(control);
  // The deadline is none of the caller's.
  if (absl::IsDeadlineExceeded(probed)) {
    return WithOperatorText(absl::UnavailableError(probed.message()), OperatorText(probed));
  }
  DCAC_RETURN_IF_ERROR(probed);
  return store;
}

}  // namespace dcac::store
