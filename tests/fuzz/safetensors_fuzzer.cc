// Input: the text of the header of a .safetensors file.  What precedes it follows from its length, and samples are
// added as many as it wants, within reason.
#include "core/files/safetensors.h"

#include <algorithm>

#include "core/base/bytes.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/original_check.h"

namespace dcac::files {
namespace {

void Check(ByteSpan text) {
  constexpr std::uint64_t kMostSampleBytes = 1 << 16;
  Bytes file;
  AppendLittleEndian(text.size(), 8, file);
  AppendBytes(text, file);
  const auto entries = ParseSafetensorsHeader(file);
  fuzz::CountOutcome(entries.status());
  if (!entries.ok()) {
    DCAC_FUZZ_REQUIRE(entries.status().code() == absl::StatusCode::kInvalidArgument);
  } else if (!entries->empty()) {
    std::uint64_t end = 0;
    for (const SafetensorsEntry& entry : *entries) {
      DCAC_FUZZ_REQUIRE(entry.begin >= end && entry.end >= entry.begin);
      end = entry.end;
    }
    file.resize(file.size() + static_cast<std::size_t>(std::min(end, kMostSampleBytes)));
  }
  fuzz::CheckOriginal(file);
}

}  // namespace
}  // namespace dcac::files

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  dcac::files::Check(dcac::fuzz::InputBytes(data, size));
  return 0;
}
