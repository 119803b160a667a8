// Frames small enough that a test can damage every bit of them.
#ifndef DCAC_TESTS_TESTING_SMALL_FRAMES_H_
#define DCAC_TESTS_TESTING_SMALL_FRAMES_H_

#include <cstddef>
#include <string>
#include <vector>

#include "dcac/codec.h"

namespace dcac::testing {

struct SmallFrame {
  std::string name;
  TensorSpec spec;
  std::vector<std::byte> data, frame;
};

// One frame for each method, type and mode that matters, 100 to 700 bytes each.
const std::vector<SmallFrame>& SmallFrames();

}  // namespace dcac::testing

#endif  // DCAC_TESTS_TESTING_SMALL_FRAMES_H_
