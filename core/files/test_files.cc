#include "core/files/test_files.h"

#include <fstream>
#include <iterator>

namespace dcac::files {
namespace {

constexpr std::uint64_t kInZip64 = 0xffffffff;

void AppendZeros(std::size_t bytes, Bytes& out) {
  out.resize(out.size() + bytes);
}

void AppendMember(std::string_view name, std::string_view content, Bytes& out) {
  AppendBytes(ToBytes("PK\3\4"), out);
  AppendZeros(14, out);  // version, flags, method, time, date, checksum
  for (int i = 0; i < 2; ++i) AppendLittleEndian(content.size(), 4, out);
  AppendLittleEndian(name.size(), 2, out);
  AppendLittleEndian(0, 2, out);
  AppendBytes(ToBytes(name), out);
  AppendBytes(ToBytes(content), out);
}

void AppendDirectoryEntry(std::string_view name, std::uint64_t bytes, std::uint64_t offset, bool zip64, Bytes& out) {
  AppendBytes(ToBytes("PK\1\2"), out);
  AppendZeros(16, out);  // versions, flags, method, time, date, checksum
  for (int i = 0; i < 2; ++i) AppendLittleEndian(zip64 ? kInZip64 : bytes, 4, out);
  AppendLittleEndian(name.size(), 2, out);
  AppendLittleEndian(zip64 ? 28 : 0, 2, out);
  AppendZeros(10, out);  // comment, disk, attributes
  AppendLittleEndian(zip64 ? kInZip64 : offset, 4, out);
  AppendBytes(ToBytes(name), out);
  if (!zip64) return;
  AppendLittleEndian(1, 2, out);
  AppendLittleEndian(24, 2, out);
  for (const std::uint64_t value : {bytes, bytes, offset}) AppendLittleEndian(value, 8, out);
}

void AppendZip64End(std::uint64_t members, std::uint64_t directory_bytes, std::uint64_t directory_offset, Bytes& out) {
  const std::uint64_t offset = out.size();
  AppendBytes(ToBytes("PK\6\6"), out);
  AppendLittleEndian(44, 8, out);
  AppendLittleEndian(0, 8, out);
  AppendLittleEndian(0, 4, out);
  for (const std::uint64_t value : {members, members, directory_bytes, directory_offset}) {
    AppendLittleEndian(value, 8, out);
  }
  AppendBytes(ToBytes("PK\6\7"), out);
  AppendLittleEndian(0, 4, out);
  AppendLittleEndian(offset, 8, out);
  AppendLittleEndian(1, 4, out);
}

}  // namespace

Bytes ToBytes(std::string_view text) {
  const auto* begin = reinterpret_cast<const std::byte*>(text.data());
  return {begin, begin + text.size()};
}

std::string TextAt(ByteSpan bytes, std::uint64_t offset, std::uint64_t size) {
  const ByteSpan part = bytes.subspan(static_cast<std::size_t>(offset), static_cast<std::size_t>(size));
  return {reinterpret_cast<const char*>(part.data()), part.size()};
}

ZipFile MakeZip(const std::vector<std::pair<std::string, std::string>>& members, bool zip64) {
  ZipFile file;
  std::vector<std::uint64_t> offsets;
  for (const auto& [name, content] : members) {
    offsets.push_back(file.bytes.size());
    AppendMember(name, content, file.bytes);
  }
  const std::uint64_t directory_offset = file.bytes.size();
  for (std::size_t i = 0; i < members.size(); ++i) {
    file.central_offsets.push_back(file.bytes.size());
    AppendDirectoryEntry(members[i].first, members[i].second.size(), offsets[i], zip64, file.bytes);
  }
  const std::uint64_t directory_bytes = file.bytes.size() - directory_offset;
  if (zip64) AppendZip64End(members.size(), directory_bytes, directory_offset, file.bytes);
  file.end_offset = file.bytes.size();
  AppendBytes(ToBytes("PK\5\6"), file.bytes);
  AppendLittleEndian(0, 4, file.bytes);
  for (int i = 0; i < 2; ++i) AppendLittleEndian(zip64 ? 0xffff : members.size(), 2, file.bytes);
  AppendLittleEndian(zip64 ? kInZip64 : directory_bytes, 4, file.bytes);
  AppendLittleEndian(zip64 ? kInZip64 : directory_offset, 4, file.bytes);
  AppendLittleEndian(0, 2, file.bytes);
  return file;
}

Bytes ReadTestFile(const std::string& name) {
  std::ifstream file(std::string(DCAC_TEST_DATA_DIR) + "/" + name, std::ios::binary);
  const std::string content{std::istreambuf_iterator<char>(file), {}};
  return ToBytes(content);
}

}  // namespace dcac::files
