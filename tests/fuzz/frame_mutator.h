// Mutations of frames that get past the checksums.
#ifndef DCAC_TESTS_FUZZ_FRAME_MUTATOR_H_
#define DCAC_TESTS_FUZZ_FRAME_MUTATOR_H_

#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

namespace dcac::fuzz {

// Applies LLVMFuzzerMutate to `bytes`, which may become up to `max_growth` longer.
void Mutate(std::vector<std::byte>& bytes, std::size_t max_growth);

// The work of LLVMFuzzerCustomMutator: lets `mutate` change the input, and cuts what has become too long.
std::size_t MutateInput(std::uint8_t* data, std::size_t size, std::size_t max_size, unsigned int seed,
                        void (*mutate)(std::vector<std::byte>& input, std::size_t max_growth,
                                       std::minstd_rand& random));

// Changes `frame`: as it is; with all checksums, sizes and the index right again; a part of it alone.
void MutateFrame(std::vector<std::byte>& frame, std::size_t max_growth, std::minstd_rand& random);

}  // namespace dcac::fuzz

#endif  // DCAC_TESTS_FUZZ_FRAME_MUTATOR_H_
