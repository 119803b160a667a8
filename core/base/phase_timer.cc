#include "core/base/phase_timer.h"

#include <chrono>
#include <utility>

namespace dcac {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kNoPhase = -1;

// What this thread is in, and since when that is not added up yet.
struct ThreadState {
  int phase = kNoPhase;
  Clock::time_point since;
};

thread_local ThreadState thread_state;
std::array<std::atomic<std::uint64_t>, kNumPhases> total_nanoseconds{};

// Adds up the phase that ends and enters `next`; returns the one that ended.
int Switch(int next) {
  const Clock::time_point now = Clock::now();
  if (thread_state.phase != kNoPhase) {
    const auto spent = std::chrono::duration_cast<std::chrono::nanoseconds>(now - thread_state.since);
    total_nanoseconds[static_cast<std::size_t>(thread_state.phase)].fetch_add(static_cast<std::uint64_t>(spent.count()),
                                                                              std::memory_order_relaxed);
  }
  thread_state.since = now;
  return std::exchange(thread_state.phase, next);
}

}  // namespace

std::string_view PhaseName(Phase phase) {
  constexpr std::array<std::string_view, kNumPhases> kNames = {"search", "model", "tokens", "entropy"};
  return kNames[static_cast<std::size_t>(phase)];
}

PhaseProfile::PhaseProfile() {
  for (auto& nanoseconds : total_nanoseconds) nanoseconds = 0;
  running_ = true;
}

PhaseProfile::~PhaseProfile() {
  running_ = false;
}

PhaseSeconds PhaseProfile::Seconds() const {
  PhaseSeconds seconds{};
  for (std::size_t phase = 0; phase < kNumPhases; ++phase) {
    seconds[phase] = static_cast<double>(total_nanoseconds[phase].load()) * 1e-9;
  }
  return seconds;
}

void PhaseTimer::Begin(Phase phase) {
  outer_ = Switch(static_cast<int>(phase));
}

void PhaseTimer::End() {
  Switch(outer_);
}

}  // namespace dcac
