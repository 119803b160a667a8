#include "server/store/s3_blocks.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "server/store/checks.h"
#include "server/store/key.h"
#include "server/store/s3_names.h"

namespace dcac::store {
namespace {

using SteadyClock = std::chrono::steady_clock;

// A block that expired may be followed by one that expired, and so on until all are removed.
constexpr int kMostFollowers = 10'000;
constexpr std::size_t kMaxChangeBytes = std::size_t{8} << 10;
// Of two servers that set the same to something else in turns, one is to be the last in the end.
constexpr int kMostWritesOfAChange = 5;
constexpr std::string_view kNoEtag = "00000000000000000000000000000000";
// One server wins each conflict, so that a loser does so in the end.
constexpr int kMostConflicts = 100;
constexpr std::chrono::milliseconds kLookForTurn{20};

bool HasExpired(const BlockInfo& info, Time now) {
  return info.expires && *info.expires <= now;
}

std::string InForm(std::string_view etag, bool quoted) {
  if (etag.size() >= 2 && etag.starts_with('"') && etag.ends_with('"')) etag = etag.substr(1, etag.size() - 2);
  return quoted ? "\"" + std::string(etag) + "\"" : std::string(etag);
}

}  // namespace

absl::Status InQuarantine(const std::string& key) {
  return absl::DataLossError(absl::StrCat(key, ": the block is damaged and in quarantine"));
}

S3Blocks::S3Blocks(S3StoreOptions options)
    : options_(std::move(options)),
      client_(options_.client),
      changes_(client_, options_.prefix + "t/"),
      // What an owner sent at the end of its window has arrived after another half of it.
      notes_(client_, options_.prefix + "x/", options_.removal_delay + options_.removal_window * 3 / 2),
      account_(options_.limits) {}

absl::Status S3Blocks::Probe(const CallControl& control) {
  const std::string name = absl::StrCat(options_.prefix, "probe/", RandomId());
  const std::vector<ByteSpan> pieces = {AsBytes("probe")};
  const absl::Status first = client_.Put(name, pieces, true, control);
  // Of a request that was sent again the answer may be that there is an object: its own.
  if (!first.ok() && !absl::IsAlreadyExists(first) && !absl::IsUnimplemented(first)) return first;
  if (!absl::IsUnimplemented(first)) {
    const absl::Status second = client_.Put(name, pieces, true, control);
    if (!second.ok() && !absl::IsAlreadyExists(second)) return second;
    conditional_put_ = absl::IsAlreadyExists(second);
  }
  if (conditional_put_) {
    DCAC_ASSIGN_OR_RETURN(if_match_, ProbeIfMatch(name, control));
  }
  return client_.Delete(name, control);
}

absl::StatusOr<S3Blocks::EtagForm> S3Blocks::ProbeIfMatch(const std::string& name, const CallControl& control) {
  const std::vector<ByteSpan> pieces = {AsBytes("probe")};
  std::array<std::byte, 1> byte;
  for (const EtagForm form : {EtagForm::kBare, EtagForm::kQuoted}) {
    const bool quoted = form == EtagForm::kQuoted;
    DCAC_ASSIGN_OR_RETURN(const S3Got got, client_.Get(name, 0, byte, control));
    const absl::Status same = client_.PutIfMatch(name, pieces, InForm(got.etag, quoted), control);
    if (absl::IsAborted(same)) continue;
    // Some do not know the header.
    if (absl::IsUnimplemented(same) || absl::IsInternal(same)) break;
    DCAC_RETURN_IF_ERROR(same);
    const absl::Status other = client_.PutIfMatch(name, pieces, InForm(kNoEtag, quoted), control);
    if (absl::IsAborted(other)) return form;
    DCAC_RETURN_IF_ERROR(other);
    break;
  }
  return EtagForm::kNone;
}

absl::StatusOr<S3Block> S3Blocks::Fetch(const std::string& object, std::size_t bytes, const CallControl& control) {
  S3Block block;
  // Not filled with zeros, so that what a small block does not use costs nothing.
  std::shared_ptr<std::byte[]> memory(new std::byte[bytes]);
  DCAC_ASSIGN_OR_RETURN(S3Got got, client_.Get(object, 0, {memory.get(), bytes}, control));
  block.beginning = {memory.get(), got.bytes};
  block.memory = std::move(memory);
  block.etag = std::move(got.etag);
  block.object_bytes = got.total_bytes;
  return block;
}

absl::StatusOr<S3Block> S3Blocks::LoadObject(const std::string& encoded, const std::string& object, bool whole,
                                             const CallControl& control) {
  absl::StatusOr<S3Block> fetched = Fetch(object, whole ? kS3OpenBytes : kS3StatBytes, control);
  DCAC_RETURN_IF_ERROR(fetched.status());
  DCAC_ASSIGN_OR_RETURN(const std::size_t head_bytes, HeadBytesOf(fetched->beginning));
  if (head_bytes > fetched->beginning.size()) fetched = Fetch(object, head_bytes, control);
  DCAC_RETURN_IF_ERROR(fetched.status());
  S3Block& block = *fetched;
  if (head_bytes > block.beginning.size()) return absl::DataLossError("the object ends within its head");
  DCAC_ASSIGN_OR_RETURN(block.head, ParseHead(block.beginning.first(head_bytes)));
  if (EncodeKey(block.head.record.info.key) != encoded) {
    return absl::DataLossError("the block is that of another key");
  }
  if (!block.head.parts_id.empty() && !TimeOfId(block.head.parts_id)) return absl::DataLossError("no id of parts");
  const std::uint64_t inlined = block.head.parts_id.empty() ? block.head.record.info.size_bytes : 0;
  if (block.object_bytes != head_bytes + inlined) {
    return absl::DataLossError(
        absl::StrCat("the object has ", block.object_bytes, " bytes, expected ", head_bytes + inlined));
  }
  block.beginning = block.beginning.subspan(head_bytes);
  block.object = object;
  return fetched;
}

absl::Status S3Blocks::ApplyChange(const std::string& encoded, S3Block& block, const CallControl& control) {
  Record& record = block.head.record;
  std::array<std::byte, kMaxChangeBytes> buffer;
  absl::StatusOr<S3Got> got = client_.Get(ChangeName(encoded, record.info.version), 0, buffer, control);
  if (absl::IsNotFound(got.status())) return absl::OkStatus();
  DCAC_RETURN_IF_ERROR(got.status());
  DCAC_ASSIGN_OR_RETURN(record, ParseRecord(record.info.key, AsText(ByteSpan(buffer).first(got->bytes))));
  block.change_etag = std::move(got->etag);
  return absl::OkStatus();
}

absl::StatusOr<S3Block> S3Blocks::Load(const std::string& encoded, bool whole, const CallControl& control) {
  absl::StatusOr<S3Block> newest = absl::NotFoundError("no such block");
  std::vector<std::string> expired;
  std::string object = BlockName(encoded);
  for (int i = 0; i < kMostFollowers; ++i) {
    absl::StatusOr<S3Block> block = LoadObject(encoded, object, whole, control);
    if (i > 0 && absl::IsNotFound(block.status())) break;
    if (absl::IsDataLoss(block.status())) {
      return absl::DataLossError(
          absl::StrCat(DecodeKey(encoded).value_or(encoded), ": ", std::string(block.status().message())));
    }
    DCAC_RETURN_IF_ERROR(block.status());
    const std::string version = block->head.record.info.version;
    const bool as_put =
        whole && !HasExpired(block->head.record.info, now()) && !changes_.MayExist(ChangeName(encoded, version));
    if (!as_put) DCAC_RETURN_IF_ERROR(ApplyChange(encoded, *block, control));
    block->expired = HasExpired(block->head.record.info, now());
    newest = *std::move(block);
    if (!newest->expired) break;
    expired.push_back(version);
    object = NextName(encoded, version);
  }
  if (newest.ok()) newest->expired_versions = std::move(expired);
  return newest;
}

absl::StatusOr<S3Block> S3Blocks::LoadLive(const std::string& key, bool whole, const CallControl& control) {
  absl::StatusOr<S3Block> block = Load(EncodeKey(key), whole, control);
  if (absl::IsNotFound(block.status()) || (block.ok() && block->expired)) return NotThere();
  if (block.ok() && block->head.record.damaged) return InQuarantine(key);
  return block;
}

bool S3Blocks::MayBeOfOneBlock(const absl::Status& status) {
  return !status.ok() && !absl::IsNotFound(status) && !absl::IsDataLoss(status) && !absl::IsCancelled(status) &&
         !absl::IsDeadlineExceeded(status);
}

absl::Status S3Blocks::CheckServes(const CallControl& control) {
  std::array<std::byte, 1> byte;
  const absl::Status got = client_.Get(absl::StrCat(options_.prefix, "probe/", RandomId()), 0, byte, control).status();
  return absl::IsNotFound(got) ? absl::OkStatus() : got;
}

absl::Status S3Blocks::LoadAgain(const std::vector<std::string>& encoded, std::vector<absl::StatusOr<S3Block>>& loaded,
                                 const CallControl& control) {
  std::vector<std::size_t> failed;
  for (std::size_t i = 0; i < loaded.size(); ++i) {
    if (MayBeOfOneBlock(loaded[i].status())) failed.push_back(i);
  }
  if (failed.empty()) return absl::OkStatus();
  DCAC_RETURN_IF_ERROR(CheckServes(control));
  InParallel(failed.size(), kS3Parallel,
             [&](std::size_t i) { loaded[failed[i]] = LoadTold(encoded[failed[i]], control); });
  return absl::OkStatus();
}

absl::StatusOr<S3Block> S3Blocks::LoadTold(const std::string& encoded, const CallControl& control) {
  DCAC_ASSIGN_OR_RETURN(S3Block block, Load(encoded, false, control));
  // Of large blocks the checksums take megabytes.
  block.head.checksums = {};
  block.beginning = {};
  block.memory = nullptr;
  return block;
}

absl::StatusOr<S3Page> S3Blocks::LoadPage(const std::string& prefix, const std::string& after, std::size_t limit,
                                          const CallControl& control) {
  const std::string root = BlockName("");
  DCAC_ASSIGN_OR_RETURN(const S3ListPage names,
                        client_.List(root + prefix, after.empty() ? "" : root + after, limit, control));
  std::vector<std::string> encoded;
  for (const S3Entry& entry : names.entries) encoded.push_back(entry.name.substr(root.size()));
  std::vector<absl::StatusOr<S3Block>> loaded(encoded.size());
  InParallel(loaded.size(), kS3Parallel, [&](std::size_t i) { loaded[i] = LoadTold(encoded[i], control); });
  DCAC_RETURN_IF_ERROR(LoadAgain(encoded, loaded, control));
  S3Page page;
  page.more = names.more;
  if (!encoded.empty()) page.last = encoded.back();
  for (std::size_t i = 0; i < loaded.size(); ++i) {
    const absl::Status& status = loaded[i].status();
    if (absl::IsNotFound(status)) continue;  // deleted since it was listed
    if (absl::IsDataLoss(status) || MayBeOfOneBlock(status)) {
      page.unreadable.push_back(encoded[i]);
      continue;
    }
    DCAC_RETURN_IF_ERROR(loaded[i].status());
    (loaded[i]->expired ? page.expired : page.blocks).push_back(*std::move(loaded[i]));
  }
  return page;
}

absl::Status S3Blocks::PutAbsent(const std::string& encoded, const absl::StatusOr<S3Block>& old,
                                 const std::string& version, const std::vector<ByteSpan>& pieces,
                                 const CallControl& control) {
  const absl::Status exists = absl::AlreadyExistsError("there is a block under this key");
  if (absl::IsDataLoss(old.status()) || (old.ok() && !old->expired)) return exists;
  // What follows a version is one object, so that one of those who race for it wins, whatever else happens to the key.
  const std::string object = old.ok() ? NextName(encoded, old->head.record.info.version) : BlockName(encoded);
  const absl::Status put = client_.Put(object, pieces, true, control);
  if (!absl::IsAlreadyExists(put)) return put;
  const absl::StatusOr<S3Block> winner = LoadObject(encoded, object, false, control);
  // It may be this one, put by a request whose answer was lost.
  if (!winner.ok() && !absl::IsNotFound(winner.status()) && !absl::IsDataLoss(winner.status())) return winner.status();
  return winner.ok() && winner->head.record.info.version == version ? absl::OkStatus() : exists;
}

absl::Status S3Blocks::PutHead(const std::string& encoded, absl::StatusOr<S3Block> old, const std::string& version,
                               const std::vector<ByteSpan>& pieces, bool if_absent, const CallControl& control) {
  const auto validity = options_.removal_delay / 2;
  while (true) {
    DCAC_ASSIGN_OR_RETURN(const bool noted, notes_.Has(encoded, SteadyClock::now() - validity / 2, control));
    DCAC_RETURN_IF_ERROR(if_absent ? PutAbsent(encoded, old, version, pieces, control)
                                   : client_.Put(BlockName(encoded), pieces, false, control));
    // A note that was written since is followed by a look at what has now been put, unless that took too long.
    DCAC_ASSIGN_OR_RETURN(const bool noted_now, notes_.Has(encoded, SteadyClock::now() - validity, control));
    if (!noted && !noted_now) return absl::OkStatus();
    DCAC_RETURN_IF_ERROR(notes_.AwaitNone(encoded, control));
    old = Load(encoded, false, control);
    if (old.ok() && !old->expired) {
      // Another version has replaced this one, or was first.
      const bool lost = if_absent && old->head.record.info.version != version;
      return lost ? absl::AlreadyExistsError("there is a block under this key") : absl::OkStatus();
    }
    if (!old.ok() && !absl::IsNotFound(old.status())) return old.status();
  }
}

void S3Blocks::Forget(const std::string& encoded, const S3Block& old, const std::string& parts_id,
                      const CallControl& control) {
  const BlockInfo& info = old.head.record.info;
  // Nobody looks for these once the block is gone: what cannot be deleted now takes little room.
  static_cast<void>(client_.Delete(ChangeName(encoded, info.version), control));
  if (!old.head.parts_id.empty() && old.head.parts_id != parts_id) DropLater(old.head.parts_id);
}

absl::StatusOr<BlockInfo> S3Blocks::Publish(S3Head head, ByteSpan payload, const PutOptions& options,
                                            const CallControl& control) {
  if (options.condition.if_digest) return absl::UnimplementedError("an S3 store has no condition on digests");
  if (options.condition.if_absent && !conditional_put_) {
    return absl::UnimplementedError("this S3 store ignores If-None-Match, so that if_absent cannot be kept");
  }
  BlockInfo& info = head.record.info;
  const std::string encoded = EncodeKey(info.key);
  const absl::StatusOr<S3Block> old = Load(encoded, false, control);
  if (!old.ok() && !absl::IsNotFound(old.status()) && !absl::IsDataLoss(old.status())) return old.status();
  info.raw_bytes = options.raw_bytes;
  info.digest = options.digest;
  info.attributes = options.attributes;
  info.pinned = options.pinned;
  info.version = RandomId();
  info.created = now();
  if (options.ttl) info.expires = info.created + *options.ttl;
  const Bytes serialized = SerializeHead(head);
  const std::vector<ByteSpan> pieces = {serialized, payload};
  DCAC_RETURN_IF_ERROR(PutHead(encoded, old, info.version, pieces, options.condition.if_absent, control));
  account_.Add(OwnerOf(info.key), UsageOf(info));
  if (old.ok() && !options.condition.if_absent) {
    if (!old->expired) account_.Remove(OwnerOf(info.key), UsageOf(old->head.record.info));
    Forget(encoded, *old, head.parts_id, control);
    // Nobody finds these any more, nor what is put behind them; before, each led to the next.
    std::vector<std::string> objects;
    for (const std::string& version : old->expired_versions) {
      objects.push_back(NextName(encoded, version));
      objects.push_back(ChangeName(encoded, version));
    }
    static_cast<void>(DeleteObjects(objects, control));
  }
  return info;
}

absl::Status S3Blocks::Delete(const std::string& key, const CallControl& control) {
  const std::string encoded = EncodeKey(key);
  const absl::StatusOr<S3Block> block = Load(encoded, false, control);
  if (absl::IsDataLoss(block.status())) return client_.Delete(BlockName(encoded), control);
  if (absl::IsNotFound(block.status()) || (block.ok() && block->expired)) return NotThere();
  DCAC_RETURN_IF_ERROR(block.status());
  DCAC_RETURN_IF_ERROR(client_.Delete(block->object, control));
  account_.Remove(OwnerOf(key), UsageOf(block->head.record.info));
  Forget(encoded, *block, "", control);
  return absl::OkStatus();
}

absl::Status S3Blocks::AwaitTurn(const std::string& encoded, const CallControl& control) {
  std::unique_lock lock(turns_mutex_);
  while (!turns_.insert(encoded).second) {
    DCAC_RETURN_IF_ERROR(CheckControl(control));
    turn_ended_.wait_for(lock, kLookForTurn);
  }
  return absl::OkStatus();
}

S3Blocks::Turn::~Turn() {
  const std::scoped_lock lock(blocks.turns_mutex_);
  blocks.turns_.erase(encoded);
  blocks.turn_ended_.notify_all();
}

absl::Status S3Blocks::PutChange(const std::string& encoded, const S3Block& block, const CallControl& control) {
  const std::string name = ChangeName(encoded, block.head.record.info.version);
  const std::string text = SerializeRecord(block.head.record);
  const std::vector<ByteSpan> pieces = {AsBytes(text)};
  const bool conditional = if_match_ != EtagForm::kNone;
  const bool first = block.change_etag.empty();
  const std::string etag = InForm(block.change_etag, if_match_ == EtagForm::kQuoted);
  const absl::Status put = conditional && !first ? client_.PutIfMatch(name, pieces, etag, control)
                                                 : client_.Put(name, pieces, conditional, control);
  // Not before: a listing that began meanwhile may not have it.
  changes_.Add(name);
  return absl::IsAlreadyExists(put) ? absl::AbortedError("it was changed meanwhile") : put;
}

absl::StatusOr<BlockInfo> S3Blocks::Change(const std::string& key, const RecordChange& change,
                                           const CallControl& control) {
  const std::string encoded = EncodeKey(key);
  DCAC_RETURN_IF_ERROR(AwaitTurn(encoded, control));
  const Turn turn{*this, encoded};
  const bool conditional = if_match_ != EtagForm::kNone;
  for (int i = 0;; ++i) {
    DCAC_RETURN_IF_ERROR(CheckControl(control));
    DCAC_ASSIGN_OR_RETURN(S3Block block, Load(encoded, false, control));
    if (block.expired) return NotThere();
    const BlockInfo& info = block.head.record.info;
    DCAC_ASSIGN_OR_RETURN(const bool differs, change(block.head.record));
    if (!differs || (!conditional && i == kMostWritesOfAChange)) return info;
    if (i == kMostConflicts) return absl::UnavailableError("others change the same block all the time");
    const absl::Status put = PutChange(encoded, block, control);
    if (put.ok() && conditional) return info;
    if (!absl::IsAborted(put)) DCAC_RETURN_IF_ERROR(put);
  }
}

absl::Status S3Blocks::CheckKept(const std::string& key, const CallControl& control) {
  const std::string encoded = EncodeKey(key);
  // A note that is not known yet is followed by a look that finds the change.
  const auto since = SteadyClock::now() - options_.removal_delay / 2;
  DCAC_ASSIGN_OR_RETURN(const bool noted, notes_.Has(encoded, since, control));
  if (!noted) return absl::OkStatus();
  DCAC_RETURN_IF_ERROR(notes_.AwaitNone(encoded, control));
  return LoadLive(key, false, control).status();
}

absl::Status S3Blocks::DeleteObjects(const std::vector<std::string>& names, const CallControl& control) {
  std::vector<absl::Status> results(names.size());
  InParallel(results.size(), kS3Parallel, [&](std::size_t i) { results[i] = client_.Delete(names[i], control); });
  for (const absl::Status& status : results) DCAC_RETURN_IF_ERROR(status);
  return absl::OkStatus();
}

absl::Status S3Blocks::DeleteAll(const std::string& prefix, const CallControl& control) {
  S3ListPage page;
  do {
    const std::string after = page.entries.empty() ? "" : page.entries.back().name;
    DCAC_ASSIGN_OR_RETURN(page, client_.List(prefix, after, 1000, control));
    std::vector<std::string> names;
    for (const S3Entry& entry : page.entries) names.push_back(entry.name);
    DCAC_RETURN_IF_ERROR(DeleteObjects(names, control));
  } while (page.more);
  return absl::OkStatus();
}

void S3Blocks::DropLater(const std::string& parts_id) {
  const std::scoped_lock lock(mutex_);
  dropped_.push_back({parts_id, SteadyClock::now()});
}

absl::Status S3Blocks::DropParts(const CallControl& control) {
  std::vector<std::string> due;
  {
    const std::scoped_lock lock(mutex_);
    const auto before = SteadyClock::now() - options_.reader_grace;
    const auto end = std::ranges::partition(dropped_, [&](const Dropped& x) { return x.since > before; });
    for (const Dropped& x : end) due.push_back(x.id);
    dropped_.erase(end.begin(), end.end());
  }
  std::array<std::byte, 1> byte;
  for (const std::string& id : due) {
    // An upload that may go on could publish them anew: they are left to the sweeper.
    if (!absl::IsNotFound(client_.Get(UploadName(id), 0, byte, control).status())) continue;
    DCAC_RETURN_IF_ERROR(DeleteAll(PartsPrefix(id), control));
  }
  return absl::OkStatus();
}

absl::Status S3Blocks::Reserve(std::string_view owner, std::uint64_t bytes) {
  std::uint64_t missing = 0;
  DCAC_RETURN_IF_ERROR(account_.Reserve(owner, bytes, &missing));
  if (missing == 0) return absl::OkStatus();
  missing_bytes_ = missing;
  return absl::ResourceExhaustedError(absl::StrCat("the store is full: ", missing, " bytes are missing"));
}

bool S3Blocks::OpenUpload(const std::string& id, std::string_view owner) {
  const std::scoped_lock lock(mutex_);
  return uploads_.emplace(id, owner).second;
}

bool S3Blocks::HasOpenUpload(const std::string& id, std::string_view owner) const {
  const std::scoped_lock lock(mutex_);
  const auto upload = uploads_.find(id);
  return upload != uploads_.end() && upload->second == owner;
}

void S3Blocks::CloseUpload(const std::string& id) {
  const std::scoped_lock lock(mutex_);
  uploads_.erase(id);
}

void S3Blocks::KeepReserved(const std::string& id, std::string_view owner, std::uint64_t bytes) {
  if (bytes == 0) return;
  const std::scoped_lock lock(mutex_);
  broken_off_[id] = {std::string(owner), bytes, SteadyClock::now()};
}

std::uint64_t S3Blocks::TakeReserved(const std::string& id) {
  const std::scoped_lock lock(mutex_);
  const auto found = broken_off_.find(id);
  if (found == broken_off_.end()) return 0;
  const std::uint64_t bytes = found->second.bytes;
  broken_off_.erase(found);
  return bytes;
}

void S3Blocks::RecountBrokenOff(const std::map<std::string, BrokenOff>& found, SteadyClock::time_point since) {
  const std::scoped_lock lock(mutex_);
  for (auto upload = broken_off_.begin(); upload != broken_off_.end();) {
    const auto& [owner, bytes, broken_off] = upload->second;
    if (broken_off < since) account_.Release(owner, bytes);
    upload = broken_off < since ? broken_off_.erase(upload) : std::next(upload);
  }
  for (const auto& [id, upload] : found) {
    // One that is open here has a reservation of its own.
    if (uploads_.contains(id) || !broken_off_.insert({id, upload}).second) continue;
    account_.ReserveAnyway(upload.owner, upload.bytes);
  }
}

std::size_t S3Blocks::open_uploads() const {
  const std::scoped_lock lock(mutex_);
  return uploads_.size();
}

}  // namespace dcac::store
