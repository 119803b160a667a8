// Random numbers of tests: the same on every machine, from a seed that is
// printed and can be set.
#ifndef DCAC_TESTS_TESTING_RANDOM_H_
#define DCAC_TESTS_TESTING_RANDOM_H_

#include <cstdint>
#include <random>
#include <vector>

namespace dcac::testing {

// The seed of this run: the environment variable DCAC_TEST_SEED, else a fixed
// one.  Printed at the first call.
std::uint64_t Seed();

// How many times the usual number of cases property tests draw:
// DCAC_TEST_ROUNDS, else 1.
std::uint64_t RoundsFactor();

class Random {
 public:
  // Tests number their streams, so that one test's draws do not depend on which
  // others run.
  explicit Random(std::uint64_t stream) : engine_(Seed() * 0x9e3779b97f4a7c15u + stream) {}

  std::uint64_t Bits() { return engine_(); }
  std::uint64_t Below(std::uint64_t n) { return engine_() % n; }
  int Int(int low, int high) { return low + static_cast<int>(Below(static_cast<std::uint64_t>(high - low + 1))); }
  bool OneIn(std::uint64_t n) { return Below(n) == 0; }
  double Uniform() { return static_cast<double>(engine_() >> 11) * 0x1p-53; }
  double Normal() { return Uniform() + Uniform() + Uniform() + Uniform() + Uniform() + Uniform() - 3; }
  template <typename T>
  const T& Of(const std::vector<T>& choices) {
    return choices[Below(choices.size())];
  }

 private:
  std::mt19937_64 engine_;
};

}  // namespace dcac::testing

#endif  // DCAC_TESTS_TESTING_RANDOM_H_
