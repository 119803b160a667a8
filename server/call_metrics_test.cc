#include "server/call_metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <prometheus/text_serializer.h>

#include <string>

#include "proto/wire/retry_info.h"
#include "server/metrics.h"

namespace dcac::server {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

CallInfo Info(Method method, const std::string& tenant = "") {
  CallInfo info{.method = method, .tenant = tenant, .caller = "caller-7", .request_id = "id"};
  info.start = std::chrono::steady_clock::now();
  return info;
}

std::string Text(const Metrics& metrics) {
  return prometheus::TextSerializer().Serialize(metrics.Collect());
}

TEST(CallMetricsTest, BytesAreCountedByDirectionTypeLevelAndTenant) {
  Metrics metrics;
  const CallFacts facts{.dtype = DType::kBF16, .level = 3, .raw_bytes = 3000, .stored_bytes = 1000};
  metrics.OnCallEnd(Info(Method::kCompress, "vision"), facts, absl::OkStatus());
  metrics.OnCallEnd(Info(Method::kBatchCompress, "vision"), facts, absl::OkStatus());
  metrics.OnCallEnd(Info(Method::kCompress, "vision"), facts, absl::CancelledError("gone"));
  metrics.OnCallEnd(Info(Method::kDecompress),
                    {.dtype = DType::kBF16, .level = {}, .raw_bytes = 3000, .stored_bytes = 1000}, absl::OkStatus());
  const std::string text = Text(metrics);
  EXPECT_THAT(text, HasSubstr("dcac_server_raw_bytes_total{direction=\"compress\",dtype=\"bf16\",level=\"3\","
                              "tenant=\"vision\"} 6000\n"));
  EXPECT_THAT(text, HasSubstr("dcac_server_stored_bytes_total{direction=\"decompress\",dtype=\"bf16\",level=\"none\","
                              "tenant=\"\"} 1000\n"));
  EXPECT_THAT(text, HasSubstr("dcac_server_compression_ratio_sum{dtype=\"bf16\"} 6\n"));
  EXPECT_THAT(text, HasSubstr("dcac_server_calls_total{code=\"CANCELLED\",method=\"Compress\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("dcac_server_call_duration_seconds_count{method=\"Compress\"} 2\n"));
  EXPECT_THAT(text, Not(HasSubstr("caller-7"))) << "callers choose their names";
}

TEST(CallMetricsTest, RefusalsHaveReasons) {
  Metrics metrics;
  const CallInfo info = Info(Method::kCompress);
  const absl::Status full = absl::ResourceExhaustedError("full");
  const absl::Status later = wire::WithRetryDelay(full, std::chrono::milliseconds(20));
  metrics.OnCallEnd(info, {}, full);
  metrics.OnCallEnd(info, {}, later);
  metrics.OnCallEnd(info, {}, later);
  metrics.OnCallEnd(info, {.refusal = Refusal::kCalls}, later);
  metrics.OnCallEnd(info, {}, absl::UnauthenticatedError(""));
  metrics.OnCallEnd(info, {}, absl::InvalidArgumentError(""));
  const std::string text = Text(metrics);
  for (const char* line : {"limit\"} 1", "budget\"} 2", "calls\"} 1", "authentication\"} 1", "permission\"} 0"}) {
    EXPECT_THAT(text, HasSubstr(std::string("dcac_server_refused_calls_total{reason=\"") + line));
  }
}

TEST(CallMetricsTest, FirstFailureIsAnIncrease) {
  const Metrics metrics;
  const std::string text = Text(metrics);
  for (const char* code : {"INTERNAL", "UNKNOWN", "DATA_LOSS"}) {
    EXPECT_THAT(text, HasSubstr(std::string("dcac_server_calls_total{code=\"") + code + "\",method=\"Compress\"} 0\n"));
  }
}

TEST(CallMetricsTest, StagesAndIdleStreams) {
  Metrics metrics;
  metrics.OnCallEnd(Info(Method::kGetStatus), {}, absl::OkStatus());
  CallFacts facts;
  facts.stages = {.queue = std::chrono::seconds(1), .work = std::chrono::seconds(2), .send = std::chrono::seconds(4)};
  facts.ended_idle = true;
  metrics.OnCallEnd(Info(Method::kCompress), facts, absl::DeadlineExceededError("idle"));
  const std::string text = Text(metrics);
  EXPECT_THAT(text, HasSubstr("dcac_server_stage_duration_seconds_count{stage=\"work\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("dcac_server_stage_duration_seconds_sum{stage=\"send\"} 4\n"));
  EXPECT_THAT(text, HasSubstr("dcac_server_idle_streams_total 1\n"));
}

TEST(CallMetricsTest, SegmentsAreObserved) {
  Metrics metrics;
  metrics.encoder_segments().OnSegment({.duration = std::chrono::seconds(3)});
  EXPECT_THAT(Text(metrics), HasSubstr("dcac_server_segment_duration_seconds_sum{direction=\"compress\"} 3\n"));
}

TEST(CallMetricsTest, TenantsAreBounded) {
  Metrics metrics;
  const CallFacts facts{.dtype = DType::kU8, .level = 5, .raw_bytes = 10, .stored_bytes = 5};
  for (int i = 0; i < 1000; ++i) {
    metrics.OnCallEnd(Info(Method::kCompress, "tenant" + std::to_string(i)), facts, absl::OkStatus());
  }
  const std::string text = Text(metrics);
  EXPECT_THAT(text, HasSubstr("tenant=\"tenant99\"} 10\n"));
  EXPECT_THAT(text, Not(HasSubstr("tenant=\"tenant100\"")));
  EXPECT_THAT(text, HasSubstr("tenant=\"other\"} 9000\n"));
}

}  // namespace
}  // namespace dcac::server
