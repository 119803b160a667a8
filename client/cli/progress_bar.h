// One line on a terminal for a whole run: bytes, rate, ratio so far, time left.
#ifndef DCAC_CLIENT_CLI_PROGRESS_BAR_H_
#define DCAC_CLIENT_CLI_PROGRESS_BAR_H_

#include <chrono>
#include <cstdint>
#include <iosfwd>
#include <mutex>
#include <optional>
#include <string_view>

namespace dcac::cli {

// Any thread may use it.
class ProgressBar {
 public:
  enum class Direction { kCompress, kDecompress };

  // Draws nothing when `wanted` is false or stderr is no terminal.
  ProgressBar(bool wanted, Direction direction);
  ~ProgressBar() { Clear(); }
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  // Bytes of input that the run will read; without it the bar shows neither percentage nor time left.
  void SetTotal(std::optional<std::uint64_t> bytes);

  void AddInput(std::uint64_t bytes);
  void AddOutput(std::uint64_t bytes);

  // Bytes that an upload is to send, once its input was read; and those that it sent.
  void AddUpload(std::uint64_t bytes);
  void AddSent(std::uint64_t bytes);

  // Prints a line of something else, after the bar was taken off the terminal.
  void PrintLine(std::ostream& out, std::string_view line);

 private:
  using Clock = std::chrono::steady_clock;
  void DrawIfDue();
  void Draw(Clock::time_point now);
  void Clear();

  const bool enabled_;
  const Direction direction_;
  const Clock::time_point start_ = Clock::now();
  std::mutex mutex_;  // guards what follows, and the terminal
  Clock::time_point last_drawn_{};
  std::optional<std::uint64_t> total_bytes_;
  std::uint64_t input_bytes_ = 0;
  std::uint64_t output_bytes_ = 0;
  std::uint64_t upload_bytes_ = 0;
  std::uint64_t sent_bytes_ = 0;
  bool visible_ = false;
};

}  // namespace dcac::cli

#endif  // DCAC_CLIENT_CLI_PROGRESS_BAR_H_
