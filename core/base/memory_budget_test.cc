#include "core/base/memory_budget.h"

#include <gtest/gtest.h>

#include <cstdint>

namespace dcac {
namespace {

TEST(MemoryBudgetTest, DefaultIsBounded) {
  EXPECT_GT(DefaultMemoryBytes(), 0u);
  EXPECT_LE(DefaultMemoryBytes(), std::uint64_t{4} << 30);
}

}  // namespace
}  // namespace dcac
