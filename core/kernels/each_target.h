// Tests: kernels on every SIMD target of the machine.
#ifndef DCAC_CORE_KERNELS_EACH_TARGET_H_
#define DCAC_CORE_KERNELS_EACH_TARGET_H_

#include <gtest/gtest.h>

#include <string_view>

#include "core/kernels/target.h"

namespace dcac {

// Calls body() with one target after the other as the one that is dispatched to.
template <typename Body>
void ForEachTarget(Body body) {
  for (std::string_view target : SupportedTargets()) {
    SCOPED_TRACE(target);
    ASSERT_TRUE(ForceTarget(target).ok());
    body();
    if (testing::Test::HasFatalFailure()) break;
  }
  ASSERT_TRUE(ForceTarget("").ok());
}

}  // namespace dcac

#endif  // DCAC_CORE_KERNELS_EACH_TARGET_H_
