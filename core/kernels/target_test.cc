#include "core/kernels/target.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

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

}  // namespace
}  // namespace dcac
