// The mutator of targets whose input is a frame.
#include "tests/fuzz/frame_mutator.h"
#include "tests/fuzz/fuzz.h"

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t max_size,
                                               unsigned int seed) {
  return dcac::fuzz::MutateInput(data, size, max_size, seed, dcac::fuzz::MutateFrame);
}
