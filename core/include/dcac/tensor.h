// Tensors as dcac sees them: a sample type, a shape and what the axes mean.  Bytes are row-major and little-endian.
#ifndef DCAC_TENSOR_H_
#define DCAC_TENSOR_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
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
  kU32 = 8,
  kI32 = 9,
  kU64 = 10,
  kI64 = 11,
  kF64 = 12,     // IEEE 754 binary64
  kF8E4M3 = 13,  // sign, 4 bits of exponent, 3 of mantissa
  kF8E5M2 = 14,  // sign, 5 bits of exponent, 2 of mantissa
  kBool = 15,    // one byte, of any value
  kC64 = 16,     // a pair of kF32
  kC128 = 17,    // a pair of kF64
};

// What the axes mean.  The numbers are written into frames and are frozen.
enum class Layout : std::uint8_t {
  kNchw = 1,  // the last three axes are channel, height, width; all axes before them are the batch.  A shape of fewer
              // axes is a single channel (two axes: height, width), a single row (one axis) or a single sample (none).
  kNhwc = 2,  // the last three axes are height, width, channel; all axes before them are the batch.
  kTokens = 3,  // the last two axes are tokens and features; all axes before them are the batch.
  kHeads = 4,   // the last three axes are heads, tokens and features of a head; all axes before them are the batch.
  kFlat = 5,    // the samples are a sequence without further structure.
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

// Bytes of one sample: 1, 2, 4, 8 or 16; 0 for an unknown type.
std::size_t SampleBytes(DType dtype);

// Every sample type, in the order of the numbers, and every layout.
std::span<const DType> AllDTypes();
std::span<const Layout> AllLayouts();

// The enumerator in lower case without its k: "u8", "bf16", "f8e4m3", "c128"; "unknown" for what is no DType.
std::string_view DTypeName(DType dtype);

// The inverse of DTypeName; nothing for an unknown name.
std::optional<DType> ParseDType(std::string_view name);

// "nchw", "nhwc", "tokens", "heads", "flat"; "unknown" for what is no Layout.
std::string_view LayoutName(Layout layout);

// The inverse of LayoutName, which also knows "chw" and "hwc", the names of nchw and nhwc without a batch; nothing for
// an unknown name.
std::optional<Layout> ParseLayout(std::string_view name);

// "[2, 3, 4]", for messages.
std::string ShapeToString(const std::vector<std::uint64_t>& shape);

// Bytes of the whole tensor.  InvalidArgument: an unknown type or layout, more than kMaxRank axes or fewer than the
// layout needs (nhwc and heads: 3, tokens: 2), or the product exceeds 2^62.
absl::StatusOr<std::uint64_t> TensorBytes(const TensorSpec& spec);

}  // namespace dcac

#endif  // DCAC_TENSOR_H_
