// Which SIMD instructions the codec runs on.  The choice is the process's: made at the first call from what the CPU
// has, or told before that by ForceTarget or by the environment variable DCAC_TARGET, which is read once.  All targets
// compute the same bytes.
#ifndef DCAC_SIMD_TARGET_H_
#define DCAC_SIMD_TARGET_H_

#include <string_view>
#include <vector>

#include "absl/status/status.h"

namespace dcac {

// Those that this CPU can run and this build has, the best first: "AVX3" (AVX-512), "AVX2", "SSE4", "NEON", ..., and
// always "SCALAR" where no baseline of the build is better.
std::vector<std::string_view> SupportedTargets();

// The one in use.
std::string_view ActiveTarget();

// Makes the codec run on `name`, or on the best again if it is empty.  InvalidArgument, and no change, if it is not
// among SupportedTargets().  Not to be called while kernels run.
absl::Status ForceTarget(std::string_view name);

// What came of DCAC_TARGET: OK if it is not set or was obeyed; otherwise the error of ForceTarget, and the codec runs
// on the best target.
absl::Status TargetStatus();

}  // namespace dcac

#endif  // DCAC_SIMD_TARGET_H_
