#include "core/files/zip.h"

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "core/base/bytes.h"
#include "core/base/status_macros.h"

namespace dcac::files {
namespace {

// Signatures of the records of APPNOTE.TXT 6.3, little-endian.
constexpr std::uint32_t kLocalHeader = 0x04034b50, kCentralHeader = 0x02014b50, kEnd = 0x06054b50;
constexpr std::uint32_t kZip64End = 0x06064b50, kZip64Locator = 0x07064b50;
constexpr std::size_t kLocalHeaderBytes = 30, kCentralHeaderBytes = 46, kEndBytes = 22;
constexpr std::size_t kZip64EndBytes = 56, kZip64LocatorBytes = 20;
constexpr std::size_t kMaxCommentBytes = 65535;
constexpr std::uint64_t kInZip64 = 0xffffffff;  // a field whose value stands in the zip64 extra field
constexpr std::uint16_t kZip64ExtraId = 1;
constexpr unsigned kEncrypted = 1;

absl::Status Malformed(std::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("malformed zip file: ", std::string(what)));
}

std::uint64_t Field(ByteSpan record, std::size_t offset, int bytes) {
  return LoadLittleEndian(record.data() + offset, bytes);
}

absl::StatusOr<Bytes> ReadRecord(const RandomSource& file, std::uint64_t offset, std::size_t bytes) {
  if (offset > file.size() || bytes > file.size() - offset) return Malformed("a record lies beyond its end");
  Bytes record(bytes);
  DCAC_RETURN_IF_ERROR(file.ReadAt(offset, record));
  return record;
}

struct Directory {
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;
  std::uint64_t members = 0;
};

// The record that ends the file, with its comment of any length.
absl::StatusOr<std::uint64_t> FindEnd(const RandomSource& file) {
  const std::uint64_t tail_bytes = std::min<std::uint64_t>(file.size(), kEndBytes + kMaxCommentBytes);
  DCAC_ASSIGN_OR_RETURN(const Bytes tail,
                        ReadRecord(file, file.size() - tail_bytes, static_cast<std::size_t>(tail_bytes)));
  for (std::size_t comment = 0; comment + kEndBytes <= tail.size(); ++comment) {
    const std::size_t at = tail.size() - kEndBytes - comment;
    if (Field(tail, at, 4) == kEnd && Field(tail, at + 20, 2) == comment) return file.size() - tail.size() + at;
  }
  return Malformed("it has no end record");
}

// Where the record of large files is; nothing if there is none.
absl::StatusOr<std::optional<Directory>> ReadZip64End(const RandomSource& file, std::uint64_t end_offset) {
  if (end_offset < kZip64LocatorBytes) return std::nullopt;
  DCAC_ASSIGN_OR_RETURN(const Bytes locator, ReadRecord(file, end_offset - kZip64LocatorBytes, kZip64LocatorBytes));
  if (Field(locator, 0, 4) != kZip64Locator) return std::nullopt;
  DCAC_ASSIGN_OR_RETURN(const Bytes end, ReadRecord(file, Field(locator, 8, 8), kZip64EndBytes));
  if (Field(end, 0, 4) != kZip64End) return Malformed("its zip64 locator points to no end record");
  return Directory{.offset = Field(end, 48, 8), .bytes = Field(end, 40, 8), .members = Field(end, 32, 8)};
}

absl::StatusOr<Directory> FindDirectory(const RandomSource& file) {
  DCAC_ASSIGN_OR_RETURN(const std::uint64_t end_offset, FindEnd(file));
  DCAC_ASSIGN_OR_RETURN(const Bytes end, ReadRecord(file, end_offset, kEndBytes));
  DCAC_ASSIGN_OR_RETURN(const std::optional<Directory> zip64, ReadZip64End(file, end_offset));
  const Directory directory =
      zip64.value_or(Directory{.offset = Field(end, 16, 4), .bytes = Field(end, 12, 4), .members = Field(end, 10, 2)});
  if (directory.members > kMaxZipMembers || directory.bytes > kMaxZipDirectoryBytes) {
    return absl::InvalidArgumentError(absl::StrCat("zip directory has ", directory.members, " members in ",
                                                   directory.bytes, " bytes, expected at most ", kMaxZipMembers, " in ",
                                                   kMaxZipDirectoryBytes));
  }
  if (directory.offset > end_offset || directory.bytes > end_offset - directory.offset) {
    return Malformed("its directory lies beyond its end");
  }
  return directory;
}

// A member as the central directory has it.
struct Entry {
  ZipMember member;
  std::uint64_t header_offset = 0;
  std::uint64_t raw_bytes = 0;
};

// Replaces the fields that did not fit 32 bits by those of the extra field, in their fixed order.
absl::Status ApplyZip64(ByteSpan extra, Entry& entry) {
  while (extra.size() >= 4) {
    const std::uint64_t id = Field(extra, 0, 2), bytes = Field(extra, 2, 2);
    if (bytes > extra.size() - 4) return Malformed("an extra field is too long");
    ByteReader reader(extra.subspan(4, static_cast<std::size_t>(bytes)));
    extra = extra.subspan(4 + static_cast<std::size_t>(bytes));
    if (id != kZip64ExtraId) continue;
    for (std::uint64_t* value : {&entry.raw_bytes, &entry.member.data_bytes, &entry.header_offset}) {
      if (*value == kInZip64 && !reader.ReadLittleEndian("zip64", 8, *value).ok()) {
        return Malformed("a zip64 field is too short");
      }
    }
    return absl::OkStatus();
  }
  return absl::OkStatus();
}

absl::StatusOr<Entry> ReadEntry(ByteReader& reader) {
  ByteSpan header, name, extra, comment;
  if (!reader.ReadSpan("header", kCentralHeaderBytes, header).ok() || Field(header, 0, 4) != kCentralHeader ||
      !reader.ReadSpan("name", Field(header, 28, 2), name).ok() ||
      !reader.ReadSpan("extra", Field(header, 30, 2), extra).ok() ||
      !reader.ReadSpan("comment", Field(header, 32, 2), comment).ok()) {
    return Malformed("its directory ends within a member");
  }
  Entry entry;
  entry.member.name.assign(reinterpret_cast<const char*>(name.data()), name.size());
  entry.member.data_bytes = Field(header, 20, 4);
  entry.raw_bytes = Field(header, 24, 4);
  entry.header_offset = Field(header, 42, 4);
  DCAC_RETURN_IF_ERROR(ApplyZip64(extra, entry));
  entry.member.stored =
      Field(header, 10, 2) == 0 && !(Field(header, 8, 2) & kEncrypted) && entry.member.data_bytes == entry.raw_bytes;
  return entry;
}

// The data follows the member's own header, whose name and extra field may differ from those in the directory.
absl::Status LocateData(const RandomSource& file, std::uint64_t directory_offset, Entry& entry) {
  DCAC_ASSIGN_OR_RETURN(const Bytes header, ReadRecord(file, entry.header_offset, kLocalHeaderBytes));
  if (Field(header, 0, 4) != kLocalHeader) return Malformed("a member is not where its directory says");
  entry.member.data_offset = entry.header_offset + kLocalHeaderBytes + Field(header, 26, 2) + Field(header, 28, 2);
  if (entry.member.data_offset > directory_offset ||
      entry.member.data_bytes > directory_offset - entry.member.data_offset) {
    return Malformed("a member reaches into its directory");
  }
  return absl::OkStatus();
}

}  // namespace

bool HasZipMagic(std::span<const std::byte> start) {
  return start.size() >= 4 && Field(start, 0, 4) == kLocalHeader;
}

absl::StatusOr<std::vector<ZipMember>> ReadZipMembers(const RandomSource& file) {
  DCAC_ASSIGN_OR_RETURN(const Directory directory, FindDirectory(file));
  DCAC_ASSIGN_OR_RETURN(const Bytes content,
                        ReadRecord(file, directory.offset, static_cast<std::size_t>(directory.bytes)));
  if (directory.members > content.size() / kCentralHeaderBytes) return Malformed("its directory is too short");
  std::vector<Entry> entries;
  entries.reserve(static_cast<std::size_t>(directory.members));
  ByteReader reader(content);
  for (std::uint64_t i = 0; i < directory.members; ++i) {
    DCAC_ASSIGN_OR_RETURN(Entry entry, ReadEntry(reader));
    DCAC_RETURN_IF_ERROR(LocateData(file, directory.offset, entry));
    entries.push_back(std::move(entry));
  }
  std::sort(entries.begin(), entries.end(),
            [](const Entry& a, const Entry& b) { return a.header_offset < b.header_offset; });
  std::vector<ZipMember> members;
  members.reserve(entries.size());
  std::uint64_t end = 0;
  for (Entry& entry : entries) {
    if (entry.header_offset < end) return Malformed("its members overlap");
    end = entry.member.data_offset + entry.member.data_bytes;
    members.push_back(std::move(entry.member));
  }
  return members;
}

}  // namespace dcac::files
