// One line on a terminal for a whole run: bytes, rate, ratio so far, time left.
#ifndef DCAC_CLIENT_CLI_PROGRESS_BAR_H_
#define DCAC_CLIENT_CLI_PROGRESS_BAR_H_

#include <chrono>
#include <cstdint>
#include <optional>

namespace dcac::cli {

class ProgressBar {
 public:
  enum class Direction { kCompress, kDecompress };

  // Draws nothing when `wanted` is false or stderr is no terminal.
  ProgressBar(bool wanted, Direction direction);
  ~ProgressBar() { Clear(); }
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  // Bytes of input that the run will read; without it the bar shows neither percentage nor time left.
  void SetTotal(std::optional<std::uint64_t> bytes) { total_bytes_ = bytes; }

  void AddInput(std::uint64_t bytes);
  void AddOutput(std::uint64_t bytes) { output_bytes_ += bytes; }

  // Takes the line off the terminal, so that something else can be printed.
  void Clear();

 private:
  using Clock = std::chrono::steady_clock;
  void Draw(Clock::time_point now);

  const bool enabled_;
  const Direction direction_;
  const Clock::time_point start_ = Clock::now();
  Clock::time_point last_drawn_{};
  std::optional<std::uint64_t> total_bytes_;
  std::uint64_t input_bytes_ = 0;
  std::uint64_t output_bytes_ = 0;
  bool visible_ = false;
};

}  // namespace dcac::cli

#endif  // DCAC_CLIENT_CLI_PROGRESS_BAR_H_
