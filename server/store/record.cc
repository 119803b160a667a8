#include "server/store/record.h"

#include <sys/random.h>

#include <algorithm>
#include <array>
#include <cstdlib>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "core/base/hash.h"
#include "core/base/status_macros.h"

namespace dcac::store {
namespace {

constexpr std::uint8_t kRecordVersion = 1;
constexpr std::uint8_t kPinned = 1, kInlined = 2, kDamaged = 4, kExpires = 8;
constexpr std::uint8_t kAllFlags = 15;
constexpr int kChecksumBytes = 8;

std::uint64_t ToNumber(Time time) {
  return static_cast<std::uint64_t>(time.time_since_epoch().count());
}

Time ToTime(std::uint64_t number) {
  return Time(std::chrono::milliseconds(static_cast<std::int64_t>(number)));
}

absl::Status ParseFields(ByteReader& reader, Record& record) {
  std::uint8_t version = 0, flags = 0;
  std::uint64_t created = 0, accessed = 0, expires = 0;
  ByteSpan id, digest;
  DCAC_RETURN_IF_ERROR(reader.ReadByte("version", version));
  if (version != kRecordVersion) return absl::DataLossError(absl::StrCat("version is ", int{version}));
  DCAC_RETURN_IF_ERROR(reader.ReadByte("flags", flags));
  if (flags > kAllFlags) return absl::DataLossError(absl::StrCat("flags are ", int{flags}));
  DCAC_RETURN_IF_ERROR(reader.ReadSpan("id", kIdCharacters, id));
  DCAC_RETURN_IF_ERROR(reader.ReadSpan("digest", record.info.digest.size(), digest));
  DCAC_RETURN_IF_ERROR(reader.ReadVarint("size", record.info.size_bytes));
  DCAC_RETURN_IF_ERROR(reader.ReadVarint("raw bytes", record.info.raw_bytes));
  DCAC_RETURN_IF_ERROR(reader.ReadVarint("created", created));
  DCAC_RETURN_IF_ERROR(reader.ReadVarint("accessed", accessed));
  if (flags & kExpires) DCAC_RETURN_IF_ERROR(reader.ReadVarint("expires", expires));
  record.info.version = AsText(id);
  std::ranges::copy(digest, record.info.digest.begin());
  record.info.created = ToTime(created);
  record.accessed = ToTime(accessed);
  if (flags & kExpires) record.info.expires = ToTime(expires);
  record.info.pinned = flags & kPinned;
  record.inlined = flags & kInlined;
  record.damaged = flags & kDamaged;
  return absl::OkStatus();
}

}  // namespace

std::string_view AsText(ByteSpan bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

ByteSpan AsBytes(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

std::string SerializeRecord(const Record& record) {
  const BlockInfo& info = record.info;
  Bytes out;
  AppendByte(kRecordVersion, out);
  AppendByte(static_cast<std::uint8_t>((info.pinned ? kPinned : 0) | (record.inlined ? kInlined : 0) |
                                       (record.damaged ? kDamaged : 0) | (info.expires ? kExpires : 0)),
             out);
  AppendBytes(AsBytes(info.version), out);
  AppendBytes(info.digest, out);
  AppendVarint(info.size_bytes, out);
  AppendVarint(info.raw_bytes, out);
  AppendVarint(ToNumber(info.created), out);
  AppendVarint(ToNumber(record.accessed), out);
  if (info.expires) AppendVarint(ToNumber(*info.expires), out);
  AppendBytes(AsBytes(info.attributes), out);
  AppendLittleEndian(HashOf(out, HashOf(AsBytes(info.key))), kChecksumBytes, out);
  return std::string(AsText(out));
}

absl::StatusOr<Record> ParseRecord(std::string_view key, std::string_view bytes) {
  const ByteSpan data = AsBytes(bytes);
  const auto in_record = [&](std::string_view what) {
    return absl::DataLossError(absl::StrCat("record of ", std::string(key), ": ", std::string(what)));
  };
  if (data.size() < kChecksumBytes) return in_record("is too short");
  const ByteSpan fields = data.first(data.size() - kChecksumBytes);
  if (LoadLittleEndian(data.data() + fields.size(), kChecksumBytes) != HashOf(fields, HashOf(AsBytes(key)))) {
    return in_record("checksum does not match");
  }
  Record record;
  ByteReader reader(fields);
  if (const absl::Status status = ParseFields(reader, record); !status.ok()) {
    return in_record({status.message().data(), status.message().size()});
  }
  record.info.key = key;
  record.info.attributes = AsText(fields.subspan(reader.position()));
  return record;
}

std::string RandomId() {
  std::array<char, kIdCharacters / 2> bytes;
  // Never short for so few bytes once the system has started; without randomness there is nothing safe to do.
  if (getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) std::abort();
  return absl::BytesToHexString(absl::string_view(bytes.data(), bytes.size()));
}

bool IsId(std::string_view text) {
  return text.size() == kIdCharacters && std::ranges::all_of(text, [](char c) {
           return absl::ascii_isdigit(static_cast<unsigned char>(c)) || (c >= 'a' && c <= 'f');
         });
}

std::uint64_t SeedOf(std::string_view id) {
  return HashOf(AsBytes(id));
}

}  // namespace dcac::store
