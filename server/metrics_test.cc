#include "server/metrics.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <optional>
#include <string>

#include "proto/wire/retry_info.h"

namespace dcac::server {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;

CallInfo Info(Method method = Method::kCompress) {
  CallInfo info{.method = method, .caller = "caller", .peer = "ipv4:127.0.0.1:1", .request_id = "0123456789abcdef"};
  info.start = std::chrono::steady_clock::now();
  return info;
}

CallFacts Facts(DType dtype = DType::kU8) {
  return {.dtype = dtype, .level = 5, .raw_bytes = 1000, .stored_bytes = 400};
}

TEST(MetricsTest, CallsAreCountedByCode) {
  Metrics metrics;
  metrics.OnCallEnd(Info(), Facts(), absl::OkStatus());
  metrics.OnCallEnd(Info(), Facts(), absl::OkStatus());
  metrics.OnCallEnd(Info(), {}, absl::DataLossError("damaged"));
  metrics.OnRequest(10);
  metrics.OnResponse(20);
  EXPECT_EQ(metrics.calls(absl::StatusCode::kOk), 2u);
  EXPECT_EQ(metrics.calls(absl::StatusCode::kDataLoss), 1u);
  EXPECT_EQ(metrics.all_calls(), 3u);
  EXPECT_EQ(metrics.request_bytes(), 10u);
  EXPECT_EQ(metrics.response_bytes(), 20u);
}

TEST(MetricsTest, ReportHasTensorsOfSuccessfulCalls) {
  Metrics metrics;
  metrics.OnCallEnd(Info(), Facts(), absl::OkStatus());
  metrics.OnCallEnd(Info(), Facts(), absl::CancelledError("gone"));
  metrics.OnCallEnd(Info(Method::kDecompressTensor), Facts(DType::kBF16), absl::OkStatus());
  metrics.OnCallEnd(Info(Method::kInspect), Facts(), absl::OkStatus());
  StatusReport report;
  metrics.Fill(&report);
  ASSERT_THAT(report.dtypes, SizeIs(2));
  EXPECT_EQ(report.dtypes[0].dtype, "u8");
  EXPECT_EQ(report.dtypes[0].direction, "compress");
  EXPECT_EQ(report.dtypes[0].raw_bytes, 1000u);
  EXPECT_EQ(report.dtypes[1].dtype, "bf16");
  EXPECT_THAT(report.slowest_calls, SizeIs(4));
  EXPECT_THAT(report.calls_by_code, SizeIs(2));
}

class CallLogTest : public ::testing::Test {
 protected:
  CallLogTest() {
    EXPECT_EQ(pipe2(ends_.data(), O_CLOEXEC), 0);
    log_.emplace(ends_[1], LogLevel::kInfo, LogFormat::kLogfmt);
    metrics_.emplace(&*log_);
  }
  ~CallLogTest() override { close(ends_[0]); }

  // Ends the log.
  std::string Output() {
    log_.reset();
    close(ends_[1]);
    std::string text;
    std::array<char, 4096> piece{};
    for (ssize_t n = 0; (n = read(ends_[0], piece.data(), piece.size())) > 0;) {
      text.append(piece.data(), static_cast<std::size_t>(n));
    }
    return text;
  }

  std::array<int, 2> ends_{};
  std::optional<Log> log_;
  std::optional<Metrics> metrics_;
};

TEST_F(CallLogTest, LineTellsOfTheCall) {
  CallInfo info = Info();
  info.trace = ParseTraceContext("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "");
  metrics_->OnCallEnd(info, Facts(), absl::OkStatus());
  const std::string line = Output();
  EXPECT_THAT(line,
              HasSubstr(" level=info event=call request_id=0123456789abcdef method=Compress code=OK duration_ms="));
  EXPECT_THAT(line,
              HasSubstr(" caller=caller peer=ipv4:127.0.0.1:1 dtype=u8 codec_level=5 raw_bytes=1000 stored_bytes="));
  EXPECT_THAT(line, HasSubstr(" trace_id=4bf92f3577b34da6a3ce929d0e0e4736 span_id="));
  EXPECT_THAT(line, HasSubstr(" parent_id=00f067aa0ba902b7 trace_flags=01\n"));
}

TEST_F(CallLogTest, RefusedCallsAreLimited) {
  for (int i = 0; i < 1000; ++i) metrics_->OnCallEnd(Info(), {}, absl::UnauthenticatedError("no token"));
  metrics_->OnCallEnd(Info(), {}, absl::InternalError("defect"));
  const std::string output = Output();
  EXPECT_LT(output.size(), 20'000u);
  EXPECT_THAT(output, HasSubstr("level=warning event=call request_id=0123456789abcdef method=Compress "
                                "code=UNAUTHENTICATED"));
  EXPECT_THAT(output, HasSubstr("refused=authentication"));
  EXPECT_THAT(output, HasSubstr("event=more_of_the_same kind=authentication count="));
  EXPECT_THAT(output, HasSubstr("level=error event=call"));
}

}  // namespace
}  // namespace dcac::server
