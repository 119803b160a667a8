#include "server/store/input_file.h"

#include "core/base/bytes.h"
#include "core/base/hash.h"
#include "core/base/status_macros.h"
#include "server/store/record.h"

namespace dcac::store {
namespace {

constexpr std::uint64_t kMagic = 0x31504E4943414344;  // "DCACINP1"
constexpr int kNumberBytes = 8;
constexpr std::size_t kHeadBytes = 3 * kNumberBytes + kIdCharacters;

std::uint64_t SizeOf(std::span<const std::span<const std::byte>> parts) {
  std::uint64_t bytes = 0;
  for (const std::span<const std::byte> part : parts) bytes += part.size();
  return bytes;
}

}  // namespace

std::uint64_t InputFileBytes(std::span<const std::span<const std::byte>> parts) {
  return kHeadBytes + SizeOf(parts) + kNumberBytes;
}

absl::Status WriteInput(File& file, const std::string& id, std::uint64_t offset,
                        std::span<const std::span<const std::byte>> parts) {
  HashStream hash;
  std::uint64_t end = 0;
  const auto write = [&](ByteSpan bytes) {
    hash.Update(bytes);
    end += bytes.size();
    return file.WriteAt(end - bytes.size(), bytes);
  };
  Bytes head;
  AppendLittleEndian(kMagic, kNumberBytes, head);
  AppendBytes(AsBytes(id), head);
  AppendLittleEndian(offset, kNumberBytes, head);
  AppendLittleEndian(SizeOf(parts), kNumberBytes, head);
  DCAC_RETURN_IF_ERROR(write(head));
  for (const ByteSpan part : parts) DCAC_RETURN_IF_ERROR(write(part));
  Bytes checksum;
  AppendLittleEndian(hash.Get(), kNumberBytes, checksum);
  return write(checksum);
}

absl::StatusOr<KeptInput> ReadInput(const File& file, const std::string& id) {
  DCAC_ASSIGN_OR_RETURN(const std::uint64_t file_bytes, file.Size());
  if (file_bytes < kHeadBytes + kNumberBytes) return absl::DataLossError("kept input is cut off");
  Bytes head(kHeadBytes), checksum(kNumberBytes);
  KeptInput input;
  input.bytes.resize(file_bytes - kHeadBytes - kNumberBytes);
  DCAC_RETURN_IF_ERROR(file.ReadAt(0, head));
  DCAC_RETURN_IF_ERROR(file.ReadAt(kHeadBytes, input.bytes));
  DCAC_RETURN_IF_ERROR(file.ReadAt(file_bytes - kNumberBytes, checksum));
  HashStream hash;
  hash.Update(head);
  hash.Update(input.bytes);
  if (LoadLittleEndian64(checksum.data()) != hash.Get()) return absl::DataLossError("checksum of kept input differs");
  ByteReader reader(head);
  std::uint64_t magic = 0, size = 0;
  ByteSpan owner;
  DCAC_RETURN_IF_ERROR(reader.ReadLittleEndian("magic", kNumberBytes, magic));
  DCAC_RETURN_IF_ERROR(reader.ReadSpan("id", kIdCharacters, owner));
  DCAC_RETURN_IF_ERROR(reader.ReadLittleEndian("offset", kNumberBytes, input.offset));
  DCAC_RETURN_IF_ERROR(reader.ReadLittleEndian("size", kNumberBytes, size));
  if (magic != kMagic || AsText(owner) != id || size != input.bytes.size()) {
    return absl::DataLossError("kept input is that of another upload");
  }
  return input;
}

}  // namespace dcac::store
