#include "proto/wire/retry_info.h"

#include <gtest/gtest.h>

#include "absl/strings/cord.h"
#include "proto/wire/status_code.h"

namespace dcac::wire {
namespace {

using std::chrono::milliseconds;

TEST(RetryInfoTest, DelayCrossesTheWire) {
  const absl::Status sent = WithRetryDelay(absl::ResourceExhaustedError("full"), milliseconds(12'345));
  const absl::Status received = FromGrpcStatus(ToGrpcStatus(sent));
  EXPECT_EQ(received.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(received.message(), "full");
  EXPECT_EQ(RetryDelay(received), milliseconds(12'345));
}

TEST(RetryInfoTest, BytesAreThoseOfGoogleRpcStatus) {
  const absl::Status status = WithRetryDelay(absl::ResourceExhaustedError("x"), milliseconds(1'500));
  const std::string details = ToGrpcStatus(status).error_details();
  // Field 1 code 8, field 2 "x", field 3 Any with the type URL and the RetryInfo.
  EXPECT_TRUE(details.starts_with(std::string("\x08\x08\x12\x01x\x1a", 6))) << details;
  EXPECT_NE(details.find(kRetryInfoUrl), std::string::npos);
  // retry_delay { seconds: 1 nanos: 500000000 }
  EXPECT_TRUE(details.ends_with(std::string("\x0a\x08\x08\x01\x10\x80\xca\xb5\xee\x01", 10)));
}

TEST(RetryInfoTest, StatusWithoutAdviceHasNone) {
  EXPECT_EQ(RetryDelay(absl::ResourceExhaustedError("full")), std::nullopt);
  EXPECT_EQ(RetryDelay(FromGrpcStatus(grpc::Status(grpc::StatusCode::ABORTED, "x", "no message"))), std::nullopt);
}

TEST(RetryInfoTest, UnreadableAdviceIsNone) {
  absl::Status status = absl::ResourceExhaustedError("full");
  status.SetPayload(kRetryInfoUrl, absl::Cord("\xff\xff"));
  EXPECT_EQ(RetryDelay(status), std::nullopt);
  EXPECT_EQ(RetryDelay(WithRetryDelay(absl::AbortedError("x"), milliseconds(-5))), std::nullopt);
}

}  // namespace
}  // namespace dcac::wire
