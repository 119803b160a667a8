// How kernels are dispatched to the SIMD target of dcac/simd_target.h.
#ifndef DCAC_CORE_KERNELS_TARGET_H_
#define DCAC_CORE_KERNELS_TARGET_H_

#include "dcac/simd_target.h"

// HWY_DYNAMIC_DISPATCH that honours DCAC_TARGET also at the first call.
#define DCAC_DYNAMIC_DISPATCH(function) (::dcac::TargetStatus().IgnoreError(), HWY_DYNAMIC_DISPATCH(function))

#endif  // DCAC_CORE_KERNELS_TARGET_H_
