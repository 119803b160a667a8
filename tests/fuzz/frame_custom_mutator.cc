// The mutator of targets whose input is a frame.
#include <algorithm>

#include "tests/fuzz/frame_mutator.h"
#include "tests/fuzz/fuzz.h"

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t max_size,
                                               unsigned int seed) {
  const std::span<const std::byte> input = dcac::fuzz::InputBytes(data, size);
  std::vector<std::byte> frame(input.begin(), input.end());
  std::minstd_rand random(seed);
  dcac::fuzz::MutateFrame(frame, max_size - size, random);
  frame.resize(std::min(frame.size(), max_size));
  std::copy(frame.begin(), frame.end(), reinterpret_cast<std::byte*>(data));
  return frame.size();
}
