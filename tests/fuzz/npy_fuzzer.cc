// Input: a .npy file, of which the header is read.
#include <algorithm>

#include "core/base/bytes.h"
#include "core/files/npy.h"
#include "tests/fuzz/fuzz.h"

namespace dcac::files {
namespace {

void Check(ByteSpan file) {
  if (!HasNpyMagic(file) || file.size() < kNpyPreambleBytes) return;
  const auto header_bytes = NpyHeaderBytes(file);
  if (!header_bytes.ok() || *header_bytes > file.size()) return;
  DCAC_FUZZ_REQUIRE(*header_bytes <= kMaxNpyHeaderBytes);
  const auto spec = ParseNpyHeader(file.first(*header_bytes));
  fuzz::CountOutcome(spec.status());
  if (!spec.ok()) {
    DCAC_FUZZ_REQUIRE(spec.status().code() == absl::StatusCode::kInvalidArgument);
    return;
  }
  DCAC_FUZZ_REQUIRE(TensorBytes(*spec).ok());
  const Bytes canonical = CanonicalNpyHeader(*spec);
  DCAC_FUZZ_REQUIRE(ParseNpyHeader(canonical).value() == *spec);
}

}  // namespace
}  // namespace dcac::files

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  dcac::files::Check(dcac::fuzz::InputBytes(data, size));
  return 0;
}
