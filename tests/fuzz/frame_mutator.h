// Mutations of frames that get past the checksums.
#ifndef DCAC_TESTS_FUZZ_FRAME_MUTATOR_H_
#define DCAC_TESTS_FUZZ_FRAME_MUTATOR_H_

#include <cstddef>
#include <random>
#include <vector>

namespace dcac::fuzz {

// Applies LLVMFuzzerMutate to `bytes`, which may become up to `max_growth` longer.
void Mutate(std::vector<std::byte>& bytes, std::size_t max_growth);

// Changes `frame`: as it is; with all checksums, sizes and the index right again; a part of it alone.
void MutateFrame(std::vector<std::byte>& frame, std::size_t max_growth, std::minstd_rand& random);

}  // namespace dcac::fuzz

#endif  // DCAC_TESTS_FUZZ_FRAME_MUTATOR_H_
