#include "server/setting_values.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>

namespace dcac::server {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kNoUnit{0};

TEST(SettingValuesTest, SizesHaveUnits) {
  EXPECT_EQ(ParseSize("0").value(), 0u);
  EXPECT_EQ(ParseSize("4096").value(), 4096u);
  EXPECT_EQ(ParseSize("64KiB").value(), 64u << 10);
  EXPECT_EQ(ParseSize("3 mib").value(), 3u << 20);
  EXPECT_EQ(ParseSize("2GiB").value(), std::uint64_t{2} << 30);
  EXPECT_EQ(ParseSize("1TiB").value(), std::uint64_t{1} << 40);
}

TEST(SettingValuesTest, WrongSizesAreRefused) {
  for (const char* wrong : {"", " 1", "-1", "1.5GiB", "1KB", "1 G", "GiB", "99999999999999999999", "16777216TiB"}) {
    EXPECT_EQ(ParseSize(wrong).status().code(), absl::StatusCode::kInvalidArgument) << wrong;
  }
}

TEST(SettingValuesTest, DurationsHaveUnits) {
  EXPECT_EQ(ParseDuration("250ms", kNoUnit).value(), milliseconds(250));
  EXPECT_EQ(ParseDuration("30s", kNoUnit).value(), milliseconds(30'000));
  EXPECT_EQ(ParseDuration("5m", kNoUnit).value(), milliseconds(300'000));
  EXPECT_EQ(ParseDuration("1h", kNoUnit).value(), milliseconds(3'600'000));
  EXPECT_EQ(ParseDuration("0", kNoUnit).value(), milliseconds(0));
  EXPECT_EQ(ParseDuration("7", milliseconds(1000)).value(), milliseconds(7000));
}

TEST(SettingValuesTest, WrongDurationsAreRefused) {
  for (const char* wrong : {"", "30", "-1s", "1.5s", "1d", "s", "99999999999999999999s", "9223372036854775807h"}) {
    EXPECT_EQ(ParseDuration(wrong, kNoUnit).status().code(), absl::StatusCode::kInvalidArgument) << wrong;
  }
}

TEST(SettingValuesTest, SwitchesAndModes) {
  EXPECT_TRUE(ParseSwitch("true").value() && ParseSwitch("on").value());
  EXPECT_FALSE(ParseSwitch("false").value() || ParseSwitch("0").value());
  EXPECT_FALSE(ParseSwitch("maybe").ok());
  EXPECT_EQ(ParseMode("0660").value(), 0660u);
  for (const char* wrong : {"", "888", "01000", "rw", "-1"}) EXPECT_FALSE(ParseMode(wrong).ok()) << wrong;
}

TEST(SettingValuesTest, WhatIsWrittenIsReadAgain) {
  for (const std::uint64_t bytes : {0ull, 1ull, 1023ull, 1024ull, 1536ull, 3ull << 20, 1ull << 40, ~0ull}) {
    EXPECT_EQ(ParseSize(FormatSize(bytes)).value(), bytes);
  }
  for (const int ms : {0, 1, 999, 1000, 61'000, 120'000, 7'200'000}) {
    EXPECT_EQ(ParseDuration(FormatDuration(milliseconds(ms)), kNoUnit).value(), milliseconds(ms));
  }
  EXPECT_EQ(FormatSize(std::uint64_t{4} << 30), "4GiB");
  EXPECT_EQ(FormatDuration(milliseconds(60'000)), "1m");
  EXPECT_EQ(FormatMode(0600), "0600");
}

}  // namespace
}  // namespace dcac::server
