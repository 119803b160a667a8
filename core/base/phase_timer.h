// Where the time of coding goes: which share of it is search, model, tokens and entropy coding.  Measured only while a
// PhaseProfile runs; otherwise a timer costs one load and a branch.
#ifndef DCAC_CORE_BASE_PHASE_TIMER_H_
#define DCAC_CORE_BASE_PHASE_TIMER_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace dcac {

enum class Phase : std::uint8_t {
  kSearch = 0,   // which planes or rows refer to which, with what weights
  kModel = 1,    // predictions and contexts
  kTokens = 2,   // residuals to tokens and back, histograms, tables
  kEntropy = 3,  // rANS, range coder, zstd
};
inline constexpr std::size_t kNumPhases = 4;

std::string_view PhaseName(Phase phase);  // "search", "model", "tokens", "entropy"

// By phase.  What lies in no phase (copies, checksums) is the rest of what the caller measured.
using PhaseSeconds = std::array<double, kNumPhases>;

// While one exists, PhaseTimers of all threads measure.  One at a time.  Threads add up, so that the sum is CPU time;
// work that a timed thread hands to others counts only where those have timers: profile with one thread.
class PhaseProfile {
 public:
  PhaseProfile();
  ~PhaseProfile();
  PhaseProfile(const PhaseProfile&) = delete;
  PhaseProfile& operator=(const PhaseProfile&) = delete;

  // Since the profile began, of timers that have ended or were interrupted by one within them.
  PhaseSeconds Seconds() const;

  static bool IsRunning() { return running_.load(std::memory_order_relaxed); }

 private:
  static inline std::atomic<bool> running_{false};
};

// From here to the end of the scope this thread is in `phase`.  A timer within takes its time from the outer one.
class PhaseTimer {
 public:
  explicit PhaseTimer(Phase phase) : measures_(PhaseProfile::IsRunning()) {
    if (measures_) Begin(phase);
  }
  ~PhaseTimer() {
    if (measures_) End();
  }
  PhaseTimer(const PhaseTimer&) = delete;
  PhaseTimer& operator=(const PhaseTimer&) = delete;

 private:
  void Begin(Phase phase);
  void End();

  bool measures_;
  int outer_ = 0;  // what the thread was in before
};

}  // namespace dcac

#endif  // DCAC_CORE_BASE_PHASE_TIMER_H_
