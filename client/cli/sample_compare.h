// How the samples of two tensors of the same type and shape differ.
#ifndef DCAC_CLIENT_CLI_SAMPLE_COMPARE_H_
#define DCAC_CLIENT_CLI_SAMPLE_COMPARE_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "dcac/tensor.h"

namespace dcac::cli {

struct SampleDifference {
  std::uint64_t differing_samples = 0;  // whose bytes differ
  std::optional<std::uint64_t> first_index;
  // Of the values; NaNs have no difference, and two infinities of the same sign neither.
  std::optional<double> max_abs_difference;
};

class SampleComparison {
 public:
  explicit SampleComparison(DType dtype) : dtype_(dtype) {}

  // The next samples of both: whole samples, the same number.
  void Add(std::span<const std::byte> a, std::span<const std::byte> b);

  const SampleDifference& difference() const { return difference_; }

 private:
  void AddDiffering(const std::byte* a, const std::byte* b);

  const DType dtype_;
  std::uint64_t samples_ = 0;  // added so far
  SampleDifference difference_;
};

// |a - b| of the values of two samples; NaN if either is.
double AbsDifference(DType dtype, const std::byte* a, const std::byte* b);

}  // namespace dcac::cli

#endif  // DCAC_CLIENT_CLI_SAMPLE_COMPARE_H_
