// Input: a zip file of numpy.savez or torch.save, or any other file.
#include "core/files/zip.h"

#include "core/files/byte_stream.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/original_check.h"

namespace dcac::files {
namespace {

void CheckMembers(std::span<const std::byte> file) {
  const auto members = ReadZipMembers(RandomMemory(file));
  if (!members.ok()) {
    DCAC_FUZZ_REQUIRE(members.status().code() == absl::StatusCode::kInvalidArgument);
    return;
  }
  std::uint64_t end = 0;
  for (const ZipMember& member : *members) {
    DCAC_FUZZ_REQUIRE(member.data_offset >= end && member.data_offset <= file.size());
    DCAC_FUZZ_REQUIRE(member.data_bytes <= file.size() - member.data_offset);
    end = member.data_offset + member.data_bytes;
  }
}

}  // namespace
}  // namespace dcac::files

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  dcac::files::CheckMembers(dcac::fuzz::InputBytes(data, size));
  dcac::fuzz::CheckOriginal(dcac::fuzz::InputBytes(data, size));
  return 0;
}
