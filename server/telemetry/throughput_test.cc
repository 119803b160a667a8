#include "server/telemetry/throughput.h"

#include <gtest/gtest.h>

#include <chrono>

namespace dcac::server {
namespace {

class ThroughputTest : public ::testing::Test {
 protected:
  std::chrono::steady_clock::time_point now_{std::chrono::hours(10)};
  Throughput throughput_{[this] { return now_; }};
};

TEST_F(ThroughputTest, WholeIntervalsCount) {
  throughput_.Add(100);
  throughput_.Add(400);
  EXPECT_EQ(throughput_.BytesPerSecond().back(), 0) << "the present interval is not whole";
  now_ += Throughput::kInterval;
  EXPECT_EQ(throughput_.BytesPerSecond().back(), 100);
  now_ += 3 * Throughput::kInterval;
  const auto rates = throughput_.BytesPerSecond();
  ASSERT_EQ(rates.size(), Throughput::kIntervals);
  EXPECT_EQ(rates[Throughput::kIntervals - 4], 100);
  EXPECT_EQ(rates.back(), 0);
}

TEST_F(ThroughputTest, OldIntervalsAreForgotten) {
  throughput_.Add(500);
  now_ += Throughput::kInterval * static_cast<int>(Throughput::kIntervals);
  EXPECT_EQ(throughput_.BytesPerSecond().front(), 100);
  now_ += Throughput::kInterval;
  for (const double rate : throughput_.BytesPerSecond()) EXPECT_EQ(rate, 0);
  throughput_.Add(5);
  now_ += Throughput::kInterval;
  EXPECT_EQ(throughput_.BytesPerSecond().back(), 1);
}

}  // namespace
}  // namespace dcac::server
