// Tensors as dcac sees them: a sample type, a shape and what the axes mean.  Bytes are row-major and little-endian.
#ifndef DCAC_TENSOR_H_
#define DCAC_TENSOR_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace dcac {

// Sample types.  The numbers are written into frames and are frozen.
enum class DType : std::uint8_t {
  kU8 = 1,
  kI8 = 2,
  kU16 = 3,
  kI16 = 4,
  kF16 = 5,   // IEEE 754 binary16
  kBF16 = 6,  // upper half of IEEE 754 binary32
  kF32 = 7,   // IEEE 754 binary32
};

// What the axes mean.  The numbers are written into frames and are frozen.
enum class Layout : std::uint8_t {
  kNchw = 1,  // the last three axes are channel, height, width; all axes before them are the batch.  A shape of fewer
              // axes is a single channel (two axes: height, width), a single row (one axis) or a single sample (none).
};

// Shape and type of a tensor.  At most kMaxRank axes; any extent may be 0 (the tensor is then empty).
struct TensorSpec {
  static constexpr std::size_t kMaxRank = 8;

  DType dtype = DType::kU8;
  std::vector<std::uint64_t> shape;
  Layout layout = Layout::kNchw;

  friend bool operator==(const TensorSpec&, const TensorSpec&) = default;
};

// A tensor that owns its bytes.
struct Tensor {
  TensorSpec spec;
  std::vector<std::byte> data;
};

// Bytes of one sample: 1, 2 or 4.
std::size_t SampleBytes(DType dtype);

// "u8", "i8", "u16", "i16", "f16", "bf16", "f32".
std::string_view DTypeName(DType dtype);

// The inverse of DTypeName; nothing for an unknown name.
std::optional<DType> ParseDType(std::string_view name);

// "[2, 3, 4]", for messages.
std::string ShapeToString(const std::vector<std::uint64_t>& shape);

// Bytes of the whole tensor.  InvalidArgument: more than kMaxRank axes, or the product exceeds 2^62.
absl::StatusOr<std::uint64_t> TensorBytes(const TensorSpec& spec);

}  // namespace dcac

#endif  // DCAC_TENSOR_H_
