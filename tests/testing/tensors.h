// Tensors, shapes and options for tests of the codec.
#ifndef DCAC_TESTS_TESTING_TENSORS_H_
#define DCAC_TESTS_TESTING_TENSORS_H_

#include <string>
#include <vector>

#include "dcac/codec.h"
#include "tests/testing/random.h"

namespace dcac::testing {

const std::vector<DType>& AllDTypes();
const std::vector<Mode>& AllModes();

// What the samples of a tensor look like.
enum class Content {
  kNoise,       // uniform values of a moderate range
  kRandomBits,  // any bit pattern: NaNs, infinities, subnormals
  kConstant,
  kReluLike,    // correlated planes, what is below zero is zero
  kSmooth,      // waves of low frequency
  kCorrelated,  // planes are mixtures of a few hidden ones
  kDuplicates,  // planes repeat each other, exactly or up to scale
  kUpsampled,   // planes of half, a quarter, an eighth of the size
  kMargins,     // rows, and often columns, repeat those before them in all planes
  kVideo,       // items are the item before with changes
  kSpecials,    // ordinary values with -0, NaNs, infinities and subnormals among
                // them
  kExtremes,    // magnitudes from 1e-40 to 1e38, or the ends of an integer type
  kEscapes,     // floats without a code: -0, NaNs, infinities, subnormals alone
  kSparse,      // mostly zero
};
const std::vector<Content>& AllContents();
const char* ContentName(Content content);

// The samples of a tensor of `spec`.
std::vector<std::byte> MakeData(Random& random, const TensorSpec& spec, Content content);

// A shape of rank 0 .. 8 with at most about `max_samples` samples: empty ones,
// single samples, tall, wide, many planes, batches.
std::vector<std::uint64_t> MakeShape(Random& random, std::uint64_t max_samples);

// A layout that a shape of the rank may have; nchw as often as all others.
Layout MakeLayout(Random& random, std::size_t rank);

EncodeOptions MakeOptions(Random& random);

std::string Describe(const TensorSpec& spec, const EncodeOptions& options);

}  // namespace dcac::testing

#endif  // DCAC_TESTS_TESTING_TENSORS_H_
