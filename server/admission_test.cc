#include "server/admission.h"

#include <gtest/gtest.h>

#include <optional>

namespace dcac::server {
namespace {

TEST(AdmissionTest, RefusesBeyondTheCap) {
  Admission admission(2);
  const auto first = admission.Enter();
  const auto second = admission.Enter();
  ASSERT_TRUE(first.ok() && second.ok());
  EXPECT_EQ(admission.Enter().status().code(), absl::StatusCode::kResourceExhausted);
}

TEST(AdmissionTest, EndedStreamMakesRoom) {
  Admission admission(1);
  { ASSERT_TRUE(admission.Enter().ok()); }
  const auto ticket = admission.Enter();
  ASSERT_TRUE(ticket.ok());
  EXPECT_FALSE(admission.Enter().ok());
  EXPECT_FALSE(admission.Enter().ok()) << "a refusal must not free a place";
}

}  // namespace
}  // namespace dcac::server
