#include "server/telemetry/log.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <optional>
#include <stdexcept>
#include <string>

#include "absl/strings/str_split.h"

namespace dcac::server {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class LogTest : public ::testing::Test {
 protected:
  LogTest() {
    if (pipe2(ends_.data(), O_CLOEXEC) != 0) throw std::runtime_error("pipe2");
    fcntl(ends_[0], F_SETPIPE_SZ, 1 << 20);
    log_.emplace(ends_[1], LogLevel::kInfo, LogFormat::kLogfmt, [this] { return now_.load(); });
  }
  ~LogTest() override {
    log_.reset();
    for (const int end : ends_) close(end);
  }

  // All that was written; ends the log.
  std::string Output() {
    log_.reset();
    std::string text;
    std::array<char, 4096> piece{};
    fcntl(ends_[0], F_SETFL, O_NONBLOCK);
    for (ssize_t n = 0; (n = read(ends_[0], piece.data(), piece.size())) > 0;) {
      text.append(piece.data(), static_cast<std::size_t>(n));
    }
    return text;
  }

  static std::size_t Count(const std::string& text, const std::string& part) {
    const std::vector<std::string> pieces = absl::StrSplit(text, part);
    return pieces.size() - 1;
  }

  std::atomic<std::chrono::system_clock::time_point> now_{std::chrono::system_clock::time_point(std::chrono::hours(1))};
  std::array<int, 2> ends_{};
  std::optional<Log> log_;
};

TEST_F(LogTest, LinesKeepTheirOrder) {
  for (std::uint64_t i = 0; i < 1000; ++i) log_->Write(LogEvent(LogLevel::kInfo, "tick").Number("i", i));
  const std::string output = Output();
  EXPECT_EQ(Count(output, "\n"), 1000u);
  EXPECT_LT(output.find("i=7\n"), output.find("i=8\n"));
  EXPECT_THAT(output, HasSubstr("time=1970-01-01T01:00:00.000Z level=info event=tick i=999\n"));
}

TEST_F(LogTest, LevelsBelowAreLeftOut) {
  log_->Write(LogEvent(LogLevel::kDebug, "hidden"));
  log_->set_level(LogLevel::kOff);
  log_->Write(LogEvent(LogLevel::kError, "hidden"));
  log_->set_level(LogLevel::kDebug);
  log_->Write(LogEvent(LogLevel::kDebug, "shown"));
  const std::string output = Output();
  EXPECT_THAT(output, HasSubstr("shown"));
  EXPECT_THAT(output, Not(HasSubstr("hidden")));
}

TEST_F(LogTest, LimitedKindsAreSummedUp) {
  for (int i = 0; i < 50; ++i) log_->WriteLimited("budget", LogEvent(LogLevel::kWarning, "refused"));
  log_->WriteLimited("calls", LogEvent(LogLevel::kWarning, "other"));
  now_ = now_.load() + std::chrono::seconds(1);
  for (int i = 0; i < 3; ++i) log_->WriteLimited("budget", LogEvent(LogLevel::kWarning, "refused"));
  const std::string output = Output();
  EXPECT_EQ(Count(output, "event=refused"), Log::kLinesPerSecond + 3);
  EXPECT_EQ(Count(output, "event=other"), 1u) << "kinds are limited apart";
  EXPECT_EQ(Count(output, "event=more_of_the_same kind=budget count=40\n"), 1u);
}

TEST_F(LogTest, WhatIsHeldBackIsToldAtTheEnd) {
  for (int i = 0; i < 12; ++i) log_->WriteLimited("budget", LogEvent(LogLevel::kWarning, "refused"));
  EXPECT_THAT(Output(), HasSubstr("kind=budget count=2\n"));
}

TEST_F(LogTest, NobodyWaitsForAReader) {
  fcntl(ends_[0], F_SETPIPE_SZ, 4096);
  const std::string text(400, 'x');
  constexpr std::uint64_t kLines = 10'000;
  for (std::uint64_t i = 0; i < kLines; ++i) log_->Write(LogEvent(LogLevel::kInfo, "call").Text("text", text));
  EXPECT_GT(log_->dropped_lines(), kLines / 2);
  log_.reset();  // ends though nobody reads
}

TEST_F(LogTest, ReaderThatIsGoneIsNoTrouble) {
  const auto before = signal(SIGPIPE, SIG_IGN);
  close(ends_[0]);
  ends_[0] = open("/dev/null", O_RDONLY | O_CLOEXEC);
  for (int i = 0; i < 100; ++i) log_->Write(LogEvent(LogLevel::kInfo, "call"));
  log_.reset();
  signal(SIGPIPE, before);
}

}  // namespace
}  // namespace dcac::server
