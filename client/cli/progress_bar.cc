#include "client/cli/progress_bar.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <ostream>
#include <string>

namespace dcac::cli {
namespace {

constexpr auto kRedrawInterval = std::chrono::milliseconds(100);
constexpr int kBarColumns = 24;
constexpr double kBytesPerMegabyte = 1e6;

}  // namespace

ProgressBar::ProgressBar(bool wanted, Direction direction)
    : enabled_(wanted && ::isatty(STDERR_FILENO) == 1), direction_(direction) {}

void ProgressBar::SetTotal(std::optional<std::uint64_t> bytes) {
  const std::lock_guard lock(mutex_);
  total_bytes_ = bytes;
}

void ProgressBar::AddInput(std::uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  input_bytes_ += bytes;
  DrawIfDue();
}

void ProgressBar::AddOutput(std::uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  output_bytes_ += bytes;
}

void ProgressBar::AddUpload(std::uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  upload_bytes_ += bytes;
}

void ProgressBar::AddSent(std::uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  sent_bytes_ += bytes;
  DrawIfDue();
}

void ProgressBar::PrintLine(std::ostream& out, std::string_view line) {
  const std::lock_guard lock(mutex_);
  Clear();
  out << line << std::endl;
}

void ProgressBar::DrawIfDue() {
  if (!enabled_) return;
  const Clock::time_point now = Clock::now();
  if (now - last_drawn_ < kRedrawInterval) return;
  last_drawn_ = now;
  Draw(now);
}

void ProgressBar::Draw(Clock::time_point now) {
  const double seconds = std::max(std::chrono::duration<double>(now - start_).count(), 1e-3);
  const auto input = static_cast<double>(input_bytes_), output = static_cast<double>(output_bytes_);
  const double raw = direction_ == Direction::kCompress ? input : output;
  const double stored = direction_ == Direction::kCompress ? output : input;
  std::string line;
  char text[128];
  if (total_bytes_ && *total_bytes_ > 0) {
    const double done = std::min(1.0, input / static_cast<double>(*total_bytes_));
    const auto columns = static_cast<std::size_t>(done * kBarColumns);
    line = "[" + std::string(columns, '#') + std::string(kBarColumns - columns, ' ') + "]";
    std::snprintf(text, sizeof text, " %3.0f %% of %.1f MB", 100 * done,
                  static_cast<double>(*total_bytes_) / kBytesPerMegabyte);
    line += text;
  } else {
    std::snprintf(text, sizeof text, "%.1f MB", input / kBytesPerMegabyte);
    line = text;
  }
  std::snprintf(text, sizeof text, "  %.1f MB/s", raw / kBytesPerMegabyte / seconds);
  line += text;
  if (stored > 0) {
    std::snprintf(text, sizeof text, "  ratio %.3f", raw / stored);
    line += text;
  }
  if (upload_bytes_ > 0) {
    std::snprintf(text, sizeof text, "  sent %.1f of %.1f MB", static_cast<double>(sent_bytes_) / kBytesPerMegabyte,
                  static_cast<double>(upload_bytes_) / kBytesPerMegabyte);
    line += text;
  }
  // Once all is read, what is left are uploads.
  if (total_bytes_ && input > 0 && input_bytes_ < *total_bytes_) {
    const double left = seconds * (static_cast<double>(*total_bytes_) / input - 1);
    std::snprintf(text, sizeof text, "  %.0f s left", left);
    line += text;
  }
  std::fprintf(stderr, "\r\x1b[K%s", line.c_str());
  std::fflush(stderr);
  visible_ = true;
}

void ProgressBar::Clear() {
  if (!visible_) return;
  std::fputs("\r\x1b[K", stderr);
  std::fflush(stderr);
  visible_ = false;
}

}  // namespace dcac::cli
