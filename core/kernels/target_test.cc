#include "core/kernels/target.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <iostream>
#include <string>

namespace dcac {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;

class TargetTest : public ::testing::Test {
 protected:
  // DCAC_TARGET may have chosen for the whole program.
  ~TargetTest() override { ForceTarget(first_).IgnoreError(); }

  std::string_view first_ = ActiveTarget();
};

TEST_F(TargetTest, EachSupportedTargetCanBeForced) {
  ASSERT_FALSE(SupportedTargets().empty());
  EXPECT_THAT(SupportedTargets(), Contains(ActiveTarget()));
  for (std::string_view name : SupportedTargets()) {
    ASSERT_TRUE(ForceTarget(name).ok()) << name;
    EXPECT_EQ(ActiveTarget(), name);
  }
}

TEST_F(TargetTest, NoNameIsTheBest) {
  ASSERT_TRUE(ForceTarget(SupportedTargets().back()).ok());
  ASSERT_TRUE(ForceTarget("").ok());
  EXPECT_EQ(ActiveTarget(), SupportedTargets().front());
}

TEST_F(TargetTest, AnUnknownNameChangesNothingAndTheErrorListsWhatThereIs) {
  ASSERT_TRUE(ForceTarget(SupportedTargets().back()).ok());
  const absl::Status status = ForceTarget("MMX");
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(status.message(), HasSubstr("'MMX'"));
  for (std::string_view name : SupportedTargets()) {
    EXPECT_THAT(status.message(), HasSubstr(std::string(name)));
  }
  EXPECT_EQ(ActiveTarget(), SupportedTargets().back());
}

// What TargetStatus says in a program that starts with DCAC_TARGET as `name`; the program then exits with status 0 if
// it is OK.
[[noreturn]] void PrintStatusUnder(const char* name) {
  setenv("DCAC_TARGET", name, 1);
  std::cerr << ActiveTarget() << "; " << TargetStatus();
  std::exit(TargetStatus().ok() ? 0 : 1);
}

TEST(TargetEnvironmentTest, IsObeyed) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");  // the choice is made once in a program
  const std::string name(SupportedTargets().back());
  EXPECT_EXIT(PrintStatusUnder(name.c_str()), ::testing::ExitedWithCode(0), name + "; OK");
}

TEST(TargetEnvironmentTest, IsReportedAndIgnoredIfUnknown) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const std::string best(SupportedTargets().front());
  EXPECT_EXIT(PrintStatusUnder("MMX"), ::testing::ExitedWithCode(1), best + "; INVALID_ARGUMENT: DCAC_TARGET: .*'MMX'");
}

}  // namespace
}  // namespace dcac
