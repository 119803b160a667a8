#include "proto/wire/status_code.h"

#include <gtest/gtest.h>

#include <string>

namespace dcac::wire {
namespace {

TEST(StatusCodeTest, EveryCodeSurvivesTheRoundTrip) {
  for (int code = 0; code <= 16; ++code) {
    const absl::Status status(static_cast<absl::StatusCode>(code), "segment 3: checksum");
    EXPECT_EQ(FromGrpcStatus(ToGrpcStatus(status)), status) << code;
  }
}

TEST(StatusCodeTest, LongMessageIsCut) {
  const grpc::Status status = ToGrpcStatus(absl::DataLossError(std::string(100000, 'x')));
  EXPECT_EQ(status.error_code(), grpc::StatusCode::DATA_LOSS);
  EXPECT_EQ(status.error_message(), std::string(1024, 'x'));
}

}  // namespace
}  // namespace dcac::wire
