#include "server/store/s3_upload.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <exception>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/hash.h"
#include "core/base/status_macros.h"
#include "server/store/checks.h"
#include "server/store/key.h"
#include "server/store/s3_names.h"

namespace dcac::store {
namespace {

constexpr int kKeySizeBytes = 2;
constexpr std::size_t kMostStateBytes = kMaxUploadStateBytes + kMaxKeyBytes + kKeySizeBytes + kHashBytes;

CallControl Soon() {
  return {.deadline = std::chrono::steady_clock::now() + kS3LastWords};
}

absl::Status NoSuchUpload() {
  return absl::NotFoundError("no such upload");
}

// Who resumes what cannot be read any more is to begin anew.
absl::Status GoneIfDamaged(const absl::Status& status) {
  return absl::IsDataLoss(status) || absl::IsNotFound(status) ? NoSuchUpload() : status;
}

// What the object of an upload holds.
Bytes SerializeStart(const UploadStart& start) {
  Bytes out;
  AppendLittleEndian(start.key.size(), kKeySizeBytes, out);
  AppendBytes(AsBytes(start.key), out);
  AppendBytes(AsBytes(start.state), out);
  AppendLittleEndian(HashOf(out), kHashBytes, out);
  return out;
}

absl::StatusOr<UploadStart> ParseStart(ByteSpan bytes) {
  const absl::Status damaged = absl::DataLossError("what is stored of the upload is damaged");
  if (bytes.size() < kHashBytes) return damaged;
  const ByteSpan fields = bytes.first(bytes.size() - kHashBytes);
  if (LoadLittleEndian(bytes.data() + fields.size(), kHashBytes) != HashOf(fields)) return damaged;
  ByteReader reader(fields);
  std::uint64_t key_bytes = 0;
  ByteSpan key;
  DCAC_RETURN_IF_ERROR(reader.ReadLittleEndian("key", kKeySizeBytes, key_bytes));
  DCAC_RETURN_IF_ERROR(reader.ReadSpan("key", key_bytes, key));
  return UploadStart{std::string(AsText(key)), 0, std::string(AsText(fields.subspan(reader.position())))};
}

}  // namespace

S3Upload::S3Upload(S3Blocks& blocks, std::string id, UploadStart start)
    : blocks_(blocks), id_(std::move(id)), start_(std::move(start)) {
  blocks_.OpenUpload(id_, OwnerOf(start_.key));
}

absl::StatusOr<std::unique_ptr<Upload>> S3Upload::Begin(S3Blocks& blocks, const UploadStart& start,
                                                        const CallControl& control) {
  DCAC_RETURN_IF_ERROR(CheckControl(control));
  DCAC_RETURN_IF_ERROR(CheckStart(start));
  std::unique_ptr<S3Upload> upload(new S3Upload(blocks, NewId(blocks.now()), start));
  DCAC_RETURN_IF_ERROR(upload->ReserveFor(start.expected_bytes));
  // Growing it later would take more than that for a moment.
  const std::uint64_t expected = start.expected_bytes == 0 ? kS3InlineBytes : start.expected_bytes;
  upload->memory_.reserve(std::min<std::uint64_t>(expected, kS3InlineBytes));
  return upload;
}

absl::StatusOr<std::unique_ptr<Upload>> S3Upload::Resume(S3Blocks& blocks, const std::string& id,
                                                         const std::string& owner, const CallControl& control) {
  DCAC_RETURN_IF_ERROR(CheckControl(control));
  if (!TimeOfId(id)) return NoSuchUpload();
  // First: when it is closed what it began with is in the bucket.
  if (blocks.HasOpenUpload(id, owner)) return absl::UnavailableError("the upload is open elsewhere");
  DCAC_ASSIGN_OR_RETURN(UploadStart start, ReadStart(blocks, id, control));
  if (OwnerOf(start.key) != owner) return NoSuchUpload();
  if (!blocks.OpenUpload(id, owner)) return absl::UnavailableError("the upload is open elsewhere");
  std::unique_ptr<S3Upload> upload(new S3Upload(blocks, id, std::move(start)));
  upload->has_state_ = true;
  const auto block = blocks.Load(EncodeKey(upload->key()), false, control);
  if (block.ok() && block->head.parts_id == id) {  // it was published before its end could be noted
    upload->reserved_bytes_ = blocks.TakeReserved(id);
    upload->End();
    DCAC_RETURN_IF_ERROR(blocks.client().Delete(blocks.UploadName(id), control));
    return NoSuchUpload();
  }
  DCAC_RETURN_IF_ERROR(GoneIfDamaged(upload->FindParts(control)));
  upload->reserved_bytes_ = blocks.TakeReserved(id);
  DCAC_RETURN_IF_ERROR(upload->ReserveFor(upload->size_bytes()));
  return upload;
}

absl::StatusOr<UploadStart> S3Upload::ReadStart(S3Blocks& blocks, const std::string& id, const CallControl& control) {
  std::vector<std::byte> buffer(kMostStateBytes);
  const auto got = blocks.client().Get(blocks.UploadName(id), 0, buffer, control);
  if (absl::IsNotFound(got.status())) return NoSuchUpload();
  DCAC_RETURN_IF_ERROR(got.status());
  absl::StatusOr<UploadStart> start = ParseStart(ByteSpan(buffer).first(got->bytes));
  DCAC_RETURN_IF_ERROR(GoneIfDamaged(start.status()));
  return start;
}

S3Upload::~S3Upload() {
  try {
    if (!ended_ && resumable() && KeepState(Soon()).ok()) static_cast<void>(PutParts(true, Soon()));
    if (!ended_ && !resumable() && kept_bytes_ > 0) static_cast<void>(Abort());
    if (!ended_ && resumable()) BreakOff();
  } catch (const std::exception&) {
    // Without memory less is kept, or the sweeper removes or counts it.
  }
  End();
  blocks_.CloseUpload(id_);
}

void S3Upload::BreakOff() {
  // Without parts it was not resumed after all, and what is reserved for them is kept already.
  const std::uint64_t kept = std::min(kept_bytes_, reserved_bytes_);
  blocks_.KeepReserved(id_, OwnerOf(start_.key), kept);
  reserved_bytes_ -= kept;
}

void S3Upload::End() {
  blocks_.account().Release(OwnerOf(start_.key), reserved_bytes_);
  reserved_bytes_ = 0;
  ended_ = true;
}

absl::Status S3Upload::KeepState(const CallControl& control) {
  if (has_state_ || !resumable()) return absl::OkStatus();
  const Bytes state = SerializeStart(start_);
  DCAC_RETURN_IF_ERROR(blocks_.client().Put(blocks_.UploadName(id_), {state}, false, control));
  has_state_ = true;
  return absl::OkStatus();
}

absl::Status S3Upload::ReserveFor(std::uint64_t size_bytes) {
  if (size_bytes <= reserved_bytes_) return absl::OkStatus();
  DCAC_RETURN_IF_ERROR(blocks_.Reserve(OwnerOf(start_.key), size_bytes - reserved_bytes_));
  reserved_bytes_ = size_bytes;
  return absl::OkStatus();
}

// Takes the largest part of each number, as far as they go without a gap; only the last may be smaller than a part.
absl::Status S3Upload::FindParts(const CallControl& control) {
  const std::string prefix = blocks_.PartsPrefix(id_);
  std::vector<std::pair<std::string, std::size_t>> parts;  // name and size
  S3ListPage page;
  do {
    const std::string after = page.entries.empty() ? "" : page.entries.back().name;
    DCAC_ASSIGN_OR_RETURN(page, blocks_.client().List(prefix, after, 1000, control));
    for (const S3Entry& entry : page.entries) {
      std::size_t number = 0, size = 0;
      if (!ParsePartName(std::string_view(entry.name).substr(prefix.size()), number, size)) continue;
      if (number == parts.size() && (parts.empty() || parts.back().second == kS3PartBytes)) parts.emplace_back();
      if (number + 1 == parts.size() && size > parts.back().second) parts.back() = {entry.name, size};
    }
  } while (page.more);
  // The upload has its parts when all could be read: it would put anew what it has not when it is destroyed.
  std::vector<std::uint64_t> checksums;
  std::uint64_t size_bytes = 0;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    Bytes header(PartHeaderBytes(parts[i].second));
    DCAC_ASSIGN_OR_RETURN(const S3Got got, blocks_.client().Get(parts[i].first, 0, header, control));
    header.resize(got.bytes);
    DCAC_ASSIGN_OR_RETURN(const auto table, ParsePartHeader(i, parts[i].second, header));
    checksums.insert(checksums.end(), table.begin(), table.end());
    size_bytes += parts[i].second;
  }
  const std::uint64_t from = size_bytes <= kS3InlineBytes ? 0 : size_bytes / kS3PartBytes * kS3PartBytes;
  Bytes last(size_bytes - from);
  DCAC_RETURN_IF_ERROR(ReadS3Bytes(blocks_.client(), InParts(size_bytes, checksums), from, last, control));
  kept_bytes_ = size_bytes;
  checksums_ = std::move(checksums);
  memory_ = std::move(last);
  memory_offset_ = from;
  return absl::OkStatus();
}

S3Bytes S3Upload::InParts(std::uint64_t size_bytes, std::span<const std::uint64_t> checksums) const {
  return {.key = key(),
          .object = {},
          .offset = 0,
          .etag = {},
          .parts = blocks_.PartsPrefix(id_),
          .size_bytes = size_bytes,
          .checksums = checksums};
}

absl::Status S3Upload::PutParts(bool all, const CallControl& control) {
  while (true) {
    const std::uint64_t begin = kept_bytes_ / kS3PartBytes * kS3PartBytes;
    const std::size_t size = static_cast<std::size_t>(std::min<std::uint64_t>(kS3PartBytes, size_bytes() - begin));
    if (begin + size == kept_bytes_ || (!all && size < kS3PartBytes)) return absl::OkStatus();
    // Before there are parts a server that is killed has nothing to go on with, and most blocks are put by then.
    DCAC_RETURN_IF_ERROR(KeepState(control));
    const ByteSpan bytes = ByteSpan(memory_).subspan(begin - memory_offset_, size);
    checksums_.resize(ChunksOf(begin));
    AppendChecksums(bytes, ChunksOf(begin), checksums_);
    const S3Part part = PartOf(static_cast<std::size_t>(begin / kS3PartBytes), begin + size, checksums_);
    const Bytes header = SerializePartHeader(part);
    DCAC_RETURN_IF_ERROR(
        blocks_.client().Put(absl::StrCat(blocks_.PartsPrefix(id_), PartName(part)), {header, bytes}, false, control));
    kept_bytes_ = begin + size;
  }
}

absl::Status S3Upload::CheckOpen(const CallControl& control) {
  DCAC_RETURN_IF_ERROR(CheckControl(control));
  const auto begun = TimeOfId(id_);
  const bool old = begun && blocks_.now() - *begun > blocks_.options().limits.upload_ttl;
  return ended_ || old ? NoSuchUpload() : absl::OkStatus();
}

absl::Status S3Upload::Append(std::span<const std::byte> bytes, const CallControl& control) {
  DCAC_RETURN_IF_ERROR(CheckOpen(control));
  DCAC_RETURN_IF_ERROR(ReserveFor(size_bytes() + bytes.size()));
  while (!bytes.empty()) {
    const ByteSpan some = bytes.first(std::min(bytes.size(), kS3PartBytes));
    // First the room: after an error nothing was appended twice.
    if (size_bytes() > kS3InlineBytes || resumable()) DCAC_RETURN_IF_ERROR(PutParts(false, control));
    if (size_bytes() + some.size() > kS3InlineBytes) {
      DCAC_RETURN_IF_ERROR(PutParts(false, control));
      const std::uint64_t whole = kept_bytes_ / kS3PartBytes * kS3PartBytes;
      memory_.erase(memory_.begin(), memory_.begin() + static_cast<std::ptrdiff_t>(whole - memory_offset_));
      memory_offset_ = whole;
    }
    AppendBytes(some, memory_);
    bytes = bytes.subspan(some.size());
  }
  return resumable() ? PutParts(false, control) : absl::OkStatus();
}

absl::Status S3Upload::Read(std::uint64_t offset, std::span<std::byte> out, const CallControl& control) {
  DCAC_RETURN_IF_ERROR(CheckControl(control));
  BlockInfo info;
  info.key = key();
  info.size_bytes = size_bytes();
  DCAC_RETURN_IF_ERROR(CheckRange(info, offset, out.size()));
  if (offset < memory_offset_) {
    const auto first = out.first(std::min<std::uint64_t>(out.size(), memory_offset_ - offset));
    DCAC_RETURN_IF_ERROR(ReadS3Bytes(blocks_.client(), InParts(kept_bytes_, checksums_), offset, first, control));
    offset += first.size();
    out = out.subspan(first.size());
  }
  if (!out.empty()) std::memcpy(out.data(), memory_.data() + (offset - memory_offset_), out.size());
  return absl::OkStatus();
}

absl::StatusOr<BlockInfo> S3Upload::Commit(const PutOptions& options, const CallControl& control) {
  DCAC_RETURN_IF_ERROR(CheckOptions(options));
  DCAC_RETURN_IF_ERROR(CheckOpen(control));
  const bool inlined = size_bytes() <= kS3InlineBytes;
  S3Head head;
  head.record.info.key = key();
  head.record.info.size_bytes = size_bytes();
  if (inlined) {
    AppendChecksums(memory_, 0, head.checksums);
  } else {
    DCAC_RETURN_IF_ERROR(PutParts(true, control));
    head.checksums = checksums_;
    head.parts_id = id_;
  }
  if (has_state_) {  // it may have been ended by another server
    std::array<std::byte, 1> byte;
    const auto state = blocks_.client().Get(blocks_.UploadName(id_), 0, byte, control);
    if (absl::IsNotFound(state.status())) return NoSuchUpload();
    DCAC_RETURN_IF_ERROR(state.status());
  }
  may_be_published_ = !inlined;
  const auto info = blocks_.Publish(std::move(head), inlined ? ByteSpan(memory_) : ByteSpan(), options, control);
  if (absl::IsAlreadyExists(info.status()) || absl::IsUnimplemented(info.status())) may_be_published_ = false;
  if (absl::IsAlreadyExists(info.status())) static_cast<void>(Abort());
  DCAC_RETURN_IF_ERROR(info.status());
  // The block is there, whatever becomes of the rest: the sweeper removes what is left.
  if (has_state_) static_cast<void>(blocks_.client().Delete(blocks_.UploadName(id_), control));
  if (inlined && kept_bytes_ > 0) static_cast<void>(blocks_.DeleteAll(blocks_.PartsPrefix(id_), control));
  End();
  return info;
}

absl::Status S3Upload::Abort() {
  if (ended_) return absl::OkStatus();
  End();
  // Another server may just publish an upload that can be resumed: its parts are left to the sweeper.
  if (has_state_) return blocks_.client().Delete(blocks_.UploadName(id_), Soon());
  return kept_bytes_ > 0 && !may_be_published_ ? blocks_.DeleteAll(blocks_.PartsPrefix(id_), Soon()) : absl::OkStatus();
}

}  // namespace dcac::store
