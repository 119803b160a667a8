// What the benchmarks of the store share.
#ifndef DCAC_TESTS_BENCH_STORE_TIMING_H_
#define DCAC_TESTS_BENCH_STORE_TIMING_H_

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <exception>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace dcac::bench {

// What a benchmark needs must work: otherwise it ends, and with it the servers that it started.
inline void Require(const absl::Status& status, const char* what) {
  if (status.ok()) return;
  throw std::runtime_error(std::string(what) + ": " + status.ToString());
}

template <typename T>
T Require(absl::StatusOr<T> result, const char* what) {
  Require(result.status(), what);
  return *std::move(result);
}

// Of a program that was not able to measure: 2, and why on stderr.
template <typename Run>
int ExitStatusOf(const char* program, const Run& run) {
  try {
    return run();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s: %s\n", program, error.what());
    return 2;
  }
}

template <typename Work>
double SecondsOf(const Work& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

inline double Median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

// Counts and tells what misses its floor.
class Floors {
 public:
  explicit Floors(std::string program) : program_(std::move(program)) {}

  // `value` should be at least `floor`.
  void Check(const std::string& what, double value, double floor) {
    if (value >= floor) return;
    ++misses_;
    std::fprintf(stderr, "%s: %s: %.2f, expected at least %.2f\n", program_.c_str(), what.c_str(), value, floor);
  }
  int misses() const { return misses_; }

 private:
  std::string program_;
  int misses_ = 0;
};

}  // namespace dcac::bench

#endif  // DCAC_TESTS_BENCH_STORE_TIMING_H_
