// How kernels are dispatched to the SIMD target of dcac/simd_target.h.
#ifndef DCAC_CORE_KERNELS_TARGET_H_
#define DCAC_CORE_KERNELS_TARGET_H_

#include "dcac/simd_target.h"

namespace dcac {

// That DCAC_TARGET is honoured, which is looked up once; later calls are none.
inline void ObeyTarget() {
  [[maybe_unused]] static const bool is_obeyed = TargetStatus().ok();
}

}  // namespace dcac

// HWY_DYNAMIC_DISPATCH that honours DCAC_TARGET also at the first call.
#define DCAC_DYNAMIC_DISPATCH(function) (::dcac::ObeyTarget(), HWY_DYNAMIC_DISPATCH(function))

#endif  // DCAC_CORE_KERNELS_TARGET_H_
