// Which tensor a call is about.
#ifndef DCAC_CLIENT_LOADGEN_MIX_H_
#define DCAC_CLIENT_LOADGEN_MIX_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace dcac::loadgen {

inline constexpr std::uint32_t kMaxWeight = 1'000'000;

struct MixEntry {
  std::string file;
  std::uint32_t weight = 1;
};

// "FILE", or "FILE@WEIGHT" where digits alone follow the last '@'.
// Errors: InvalidArgument (no file; a weight that is not in 1..kMaxWeight).
absl::StatusOr<MixEntry> ParseMixEntry(std::string_view text);

// Gives indices so that each comes as often as its weight says, spread evenly.  Equal weights make it a round robin.
class MixSequence {
 public:
  // `weights`: at least one, none is 0.  `skip`: how many of the first ones are left out, so that several sequences do
  // not march in step.
  explicit MixSequence(std::vector<std::uint32_t> weights, std::size_t skip = 0);

  std::size_t Next();

 private:
  std::vector<std::uint32_t> weights_;
  std::vector<std::int64_t> credits_;
  std::int64_t total_ = 0;
};

}  // namespace dcac::loadgen

#endif  // DCAC_CLIENT_LOADGEN_MIX_H_
