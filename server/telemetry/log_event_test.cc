#include "server/telemetry/log_event.h"

#include <gtest/gtest.h>

#include <chrono>
#include <nlohmann/json.hpp>
#include <string>

namespace dcac::server {
namespace {

const std::chrono::system_clock::time_point kTime{std::chrono::milliseconds(1'700'000'000'123)};

TEST(LogEventTest, LogfmtQuotesWhatNeedsIt) {
  LogEvent event(LogLevel::kInfo, "call");
  event.Text("method", "Compress").Text("caller", "job 7 \"a\"").Text("none", "").Number("raw_bytes", 12);
  event.Milliseconds("duration_ms", std::chrono::microseconds(1500));
  EXPECT_EQ(event.Format(LogFormat::kLogfmt, kTime),
            "time=2023-11-14T22:13:20.123Z level=info event=call method=Compress caller=\"job 7 \\\"a\\\"\" "
            "raw_bytes=12 duration_ms=1.500\n");
}

TEST(LogEventTest, JsonIsAnObject) {
  LogEvent event(LogLevel::kError, "call");
  event.Text("caller", "a\nb").Number("raw_bytes", ~std::uint64_t{0});
  const auto json = nlohmann::json::parse(event.Format(LogFormat::kJson, kTime));
  EXPECT_EQ(json["time"], "2023-11-14T22:13:20.123Z");
  EXPECT_EQ(json["level"], "error");
  EXPECT_EQ(json["caller"], "a\nb");
  EXPECT_EQ(json["raw_bytes"], ~std::uint64_t{0});
}

TEST(LogEventTest, NothingEndsTheLineOrBeginsAField) {
  for (const char* hostile :
       {"a\nlevel=error event=forged", "a\r\n", "x level=error", "a\"b=c", "\xff\xfe\x1b[31m", "="}) {
    for (const LogFormat format : {LogFormat::kLogfmt, LogFormat::kJson}) {
      const std::string line = LogEvent(LogLevel::kInfo, "call").Text("caller", hostile).Format(format, kTime);
      EXPECT_EQ(line.find_first_of("\n\r\x1b"), line.size() - 1) << line;
      for (const char c : line.substr(0, line.size() - 1)) EXPECT_TRUE(c >= ' ' && c <= '~') << line;
    }
    const std::string line =
        LogEvent(LogLevel::kInfo, "call").Text("caller", hostile).Format(LogFormat::kLogfmt, kTime);
    EXPECT_NE(line.find(" caller=\""), std::string::npos) << "in quotes: " << line;
  }
}

TEST(LogEventTest, TextsAreBounded) {
  const std::string line =
      LogEvent(LogLevel::kInfo, "call").Text("caller", std::string(100'000, 'a')).Format(LogFormat::kLogfmt, kTime);
  EXPECT_LT(line.size(), LogEvent::kMaxTextBytes + 100);
}

TEST(LogEventTest, NamesAreParsed) {
  for (const char* name : kLogLevelNames) EXPECT_EQ(LogLevelName(*ParseLogLevel(name)), name);
  EXPECT_FALSE(ParseLogLevel("loud"));
  EXPECT_EQ(ParseLogFormat("json"), LogFormat::kJson);
  EXPECT_FALSE(ParseLogFormat("xml"));
}

}  // namespace
}  // namespace dcac::server
