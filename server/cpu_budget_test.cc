#include "server/cpu_budget.h"

#include <gtest/gtest.h>

namespace dcac::server {
namespace {

TEST(CpuBudgetTest, QuotaIsRoundedUp) {
  EXPECT_EQ(ParseCpuMax("150000 100000"), 2);
  EXPECT_EQ(ParseCpuMax("200000 100000\n"), 2);
  EXPECT_EQ(ParseCpuMax("1000 100000"), 1);
}

TEST(CpuBudgetTest, NoQuota) {
  EXPECT_EQ(ParseCpuMax("max 100000"), std::nullopt);
  EXPECT_EQ(ParseCpuMax(""), std::nullopt);
  EXPECT_EQ(ParseCpuMax("100000"), std::nullopt);
  EXPECT_EQ(ParseCpuMax("100000 0"), std::nullopt);
}

TEST(CpuBudgetTest, AtLeastOneProcessor) {
  EXPECT_GE(CpuBudget(), 1);
}

}  // namespace
}  // namespace dcac::server
