// Which SIMD target the kernels run on.  The choice is the process's: made at the first kernel call from what the CPU
// has, or told before that by ForceTarget or by the environment variable DCAC_TARGET, which is read once.  All targets
// compute the same bytes.
#ifndef DCAC_CORE_KERNELS_TARGET_H_
#define DCAC_CORE_KERNELS_TARGET_H_

#include <string_view>
#include <vector>

#include "absl/status/status.h"

namespace dcac {

// Those that this CPU can run and this build has, the best first: "AVX3" (AVX-512), "AVX2", "SSE4", "NEON", ..., and
// always "SCALAR" where no baseline of the build is better.
std::vector<std::string_view> SupportedTargets();

// What kernels run on now.
std::string_view ActiveTarget();

// Makes kernels run on `name`, or on the best again if it is empty.  InvalidArgument, and no change, if it is not among
// SupportedTargets().  Not to be called while kernels run.
absl::Status ForceTarget(std::string_view name);

// What came of DCAC_TARGET: OK if it is not set or was obeyed; otherwise the error of ForceTarget, and kernels run on
// the best target.
absl::Status TargetStatus();

}  // namespace dcac

// HWY_DYNAMIC_DISPATCH for kernels: honours DCAC_TARGET also at the first call.
#define DCAC_DYNAMIC_DISPATCH(function) (::dcac::TargetStatus().IgnoreError(), HWY_DYNAMIC_DISPATCH(function))

#endif  // DCAC_CORE_KERNELS_TARGET_H_
