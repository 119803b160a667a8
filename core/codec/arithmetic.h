// The two arithmetics of the model (docs/format.md, "Arithmetic"): integers for 8-bit samples, binary32 for the others.
// Both are exact specifications: the integers cannot overflow, the binary32 operations are single ones in a fixed
// order.
#ifndef DCAC_CORE_CODEC_ARITHMETIC_H_
#define DCAC_CORE_CODEC_ARITHMETIC_H_

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstdlib>

#include "core/codec/sample_map.h"

namespace dcac {

inline constexpr int kSpatialWeightBits = 8;
inline constexpr int kTermWeightBits = 7;
inline constexpr int kSigmaWeightBits = 6;

// 2^exponent for exponents of normal numbers.
inline float PowerOfTwo(int exponent) {
  return std::bit_cast<float>(static_cast<uint32_t>(exponent + 127) << 23);
}

// What both need of a plane set.
struct ValueRange {
  int32_t low_code = 0, high_code = 0;
  int unit_exponent = 0;  // wide only: the unit of constant terms is 2^unit_exponent
};

// Values are sixteenths of a code step.
class NarrowArithmetic {
 public:
  using Value = int32_t;
  using Stored = int16_t;
  using Weight = int32_t;

  NarrowArithmetic(const SampleMap&, const ValueRange& range)
      : low_code_(range.low_code),
        high_code_(range.high_code),
        low_(range.low_code * 16),
        high_(range.high_code * 16) {}

  static Weight MakeWeight(int32_t weight, int) { return weight; }
  Value ValueOf(int32_t code) const { return code * 16; }
  Value Unit() const { return 32; }
  Value SigmaUnit() const { return 8; }
  Value Clamp(Value v) const { return std::clamp(v, low_, high_); }

  // Cut to what a Value holds; for an encoder's estimates, which least squares do not bound.
  static Value FromFloat(float v) {
    constexpr float kMost = 1e9f;
    return v > -kMost ? static_cast<Value>(v < kMost ? v : kMost) : static_cast<Value>(-kMost);  // NaN too
  }

  static Value Abs(Value v) { return std::abs(v); }

  Value FinishSpatial(Value sum) const { return Limit((sum + 128) >> kSpatialWeightBits); }
  static Value BeginTerms(Value) { return 0; }
  Value FinishTerms(Value spatial, Value sum) const { return Limit(spatial + ((sum + 64) >> kTermWeightBits)); }
  static Value FinishSigma(Value sum) { return std::clamp((sum + 32) >> kSigmaWeightBits, 0, kLimit); }

  // sum / count, for 1 <= count <= 16.
  static Value Mean(Value sum, int count) { return (sum * ((256 + count / 2) / count)) >> 8; }
  static Value MeanOfNine(Value sum) { return (sum * 57) >> 9; }

  // A moving mean over the planes, kept four times as large: the newest error has the weight 1/4.
  static Value StartMoving(Value mean) { return 4 * mean; }
  static Value UpdateMoving(Value moving, Value error) { return moving - (moving >> 2) + error; }
  static Value MovingMean(Value moving) { return moving >> 2; }

  // Whole numbers for running means.
  int32_t Quantize(Value v) const { return v; }
  // Means of samples never leave the limit; what a hostile frame says they are might.
  Value Dequantize(int32_t q) const { return Limit(q); }

  int32_t Position(Value prediction) const { return prediction; }
  int32_t Activity(Value, Value sigma) const { return sigma; }
  int32_t NearestCode(Value prediction) const { return std::clamp((prediction + 8) >> 4, low_code_, high_code_); }

  // For vectors of the same.
  static constexpr int32_t kLimit = 16383;  // of predictions and expected errors
  int32_t low_code() const { return low_code_; }
  int32_t high_code() const { return high_code_; }
  Value low() const { return low_; }
  Value high() const { return high_; }

 private:
  static Value Limit(Value v) { return std::clamp(v, -kLimit, kLimit); }

  int32_t low_code_, high_code_;
  Value low_, high_;
};

// Values are binary32.
class WideArithmetic {
 public:
  using Value = float;
  using Stored = float;
  using Weight = float;

  WideArithmetic(const SampleMap& map, const ValueRange& range)
      : map_(map),
        is_float_(IsFloat(map.kind())),
        low_code_(range.low_code),
        high_code_(range.high_code),
        low_(map.ToValue(range.low_code)),
        high_(map.ToValue(range.high_code)),
        unit_(PowerOfTwo(range.unit_exponent)) {
    const float peak = std::max(Abs(low_), Abs(high_));
    const int exponent = peak > 0 ? static_cast<int>(std::bit_cast<uint32_t>(peak) >> 23) - 127 : 0;
    quantum_ = PowerOfTwo(exponent - 19);
    inverse_quantum_ = PowerOfTwo(19 - exponent);
  }

  static Weight MakeWeight(int32_t weight, int fraction_bits) {
    return static_cast<float>(weight) * PowerOfTwo(-fraction_bits);
  }
  Value ValueOf(int32_t code) const { return map_.ToValue(code); }
  Value Unit() const { return unit_; }
  Value SigmaUnit() const { return unit_ * 0.25f; }
  Value Clamp(Value v) const { return v < low_ ? low_ : v > high_ ? high_ : v; }

  static Value FromFloat(float v) { return v; }

  static Value Abs(Value v) { return std::bit_cast<float>(std::bit_cast<uint32_t>(v) & 0x7fffffffu); }

  static Value FinishSpatial(Value sum) { return sum; }
  static Value BeginTerms(Value spatial) { return spatial; }
  static Value FinishTerms(Value, Value sum) { return sum; }
  static Value FinishSigma(Value sum) { return sum > 0 ? sum : 0.0f; }

  static Value Mean(Value sum, int count) { return sum * (1.0f / static_cast<float>(count)); }
  static Value MeanOfNine(Value sum) { return sum * (1.0f / 9.0f); }

  static Value StartMoving(Value mean) { return mean; }
  static Value UpdateMoving(Value moving, Value error) { return moving + (error - moving) * 0.25f; }
  static Value MovingMean(Value moving) { return moving; }

  int32_t Quantize(Value v) const { return RoundToInteger(v * inverse_quantum_, -kQuantizeLimit, kQuantizeLimit); }
  Value Dequantize(int32_t q) const { return static_cast<float>(q) * quantum_; }

  int32_t Position(Value prediction) const {
    return is_float_ ? map_.NearestCode(prediction)
                     : RoundToInteger(prediction * 4.0f, -kPositionLimit, kPositionLimit);
  }
  int32_t Activity(Value prediction, Value sigma) const {
    if (!is_float_) return RoundToInteger(sigma * 16.0f, 0, kPositionLimit);
    const Value p = Clamp(prediction), margin = sigma * 0.1875f;
    const int32_t below = map_.NearestCode(std::max(p - sigma, low_ - margin));
    const int32_t above = map_.NearestCode(std::min(p + sigma, high_ + margin));
    return (above - below) >> 1;
  }
  int32_t NearestCode(Value prediction) const {
    return std::clamp(map_.NearestCode(prediction), low_code_, high_code_);
  }

  // For vectors of the same.
  static constexpr int32_t kQuantizeLimit = (1 << 21) - 1;
  static constexpr int32_t kPositionLimit = (1 << 30) - 1;
  const SampleMap& map() const { return map_; }
  int32_t low_code() const { return low_code_; }
  int32_t high_code() const { return high_code_; }
  Value low() const { return low_; }
  Value high() const { return high_; }
  Value inverse_quantum() const { return inverse_quantum_; }

 private:
  SampleMap map_;
  bool is_float_;
  int32_t low_code_, high_code_;
  Value low_, high_, unit_;
  Value quantum_ = 1, inverse_quantum_ = 1;
};

}  // namespace dcac

#endif  // DCAC_CORE_CODEC_ARITHMETIC_H_
