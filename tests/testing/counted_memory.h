// Counts what operator new gives.  A program that links this library has its operators replaced.
#ifndef DCAC_TESTS_TESTING_COUNTED_MEMORY_H_
#define DCAC_TESTS_TESTING_COUNTED_MEMORY_H_

#include <cstddef>

namespace dcac::testing {

std::size_t LiveBytes();    // allocated now
std::size_t Allocations();  // how many so far

// The most bytes that were allocated at once since the last reset.  A request that could not be met counts.
std::size_t PeakBytes();
void ResetPeakBytes();

// The most bytes that were allocated at once while `body` ran, beyond those before.
template <typename Body>
std::size_t PeakOf(Body body) {
  const std::size_t before = LiveBytes();
  ResetPeakBytes();
  body();
  return PeakBytes() - before;
}

}  // namespace dcac::testing

#endif  // DCAC_TESTS_TESTING_COUNTED_MEMORY_H_
