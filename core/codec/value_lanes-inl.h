// The arithmetics of arithmetic.h on vectors of samples: the same operations on each lane.  Included once per target.
#if defined(DCAC_CORE_CODEC_VALUE_LANES_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef DCAC_CORE_CODEC_VALUE_LANES_INL_H_
#undef DCAC_CORE_CODEC_VALUE_LANES_INL_H_
#else
#define DCAC_CORE_CODEC_VALUE_LANES_INL_H_
#endif

#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/codec/arithmetic.h"
#include "core/codec/sample_map.h"
#include "core/codec/skewed_layout.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace dcac {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

class NarrowLanes {
 public:
  using Arithmetic = NarrowArithmetic;
  using D = hn::CappedTag<int32_t, SkewedLayout::kMaxLanes>;
  using DI = D;
  using V = hn::Vec<D>;
  using VI = V;
  using M = hn::Mask<D>;

  explicit NarrowLanes(const Arithmetic& arithmetic) : arithmetic_(arithmetic) {}

  static V Load(const int16_t* from) { return hn::PromoteTo(D(), hn::LoadU(DS(), from)); }
  // Stores the first `count` lanes.
  static void Store(V v, size_t count, int16_t* to) {
    const auto narrow = hn::DemoteTo(DS(), v);
    if (count >= hn::Lanes(D())) {
      hn::StoreU(narrow, DS(), to);
    } else {
      hn::StoreU(hn::IfThenElse(hn::FirstN(DS(), count), narrow, hn::LoadU(DS(), to)), DS(), to);
    }
  }

  V Clamp(V v) const { return hn::Min(hn::Max(v, Set(arithmetic_.low())), Set(arithmetic_.high())); }
  V FinishSpatial(V sum) const { return Limit(hn::ShiftRight<kSpatialWeightBits>(hn::Add(sum, Set(128)))); }
  static V BeginTerms(V) { return hn::Zero(D()); }
  V FinishTerms(V spatial, V sum) const {
    return Limit(hn::Add(spatial, hn::ShiftRight<kTermWeightBits>(hn::Add(sum, Set(64)))));
  }
  static V FinishSigma(V sum) {
    const V sigma = hn::ShiftRight<kSigmaWeightBits>(hn::Add(sum, Set(32)));
    return hn::Min(hn::Max(sigma, hn::Zero(D())), Set(Arithmetic::kLimit));
  }

  // What MeanBy multiplies the sum of `count` values with.
  static int32_t MeanFactor(int count) { return (256 + count / 2) / count; }
  static V MeanBy(V sum, V factor) { return hn::ShiftRight<8>(hn::Mul(sum, factor)); }
  static V MeanOfNine(V sum) { return hn::ShiftRight<9>(hn::Mul(sum, Set(57))); }

  static V UpdateMoving(V moving, V error) { return hn::Add(hn::Sub(moving, hn::ShiftRight<2>(moving)), error); }
  static V MovingMean(V moving) { return hn::ShiftRight<2>(moving); }

  VI Quantize(V v) const { return v; }
  VI Position(V prediction) const { return prediction; }
  VI Activity(V, V sigma) const { return sigma; }
  VI NearestCode(V prediction) const {
    const VI code = hn::ShiftRight<4>(hn::Add(prediction, Set(8)));
    return hn::Min(hn::Max(code, Set(arithmetic_.low_code())), Set(arithmetic_.high_code()));
  }
  V ValueOf(VI code) const { return hn::ShiftLeft<4>(code); }
  VI ToSample(VI code) const { return hn::And(code, Set(255)); }

 private:
  using DS = hn::Rebind<int16_t, D>;

  static V Set(int32_t value) { return hn::Set(D(), value); }
  static V Limit(V v) { return hn::Min(hn::Max(v, Set(-Arithmetic::kLimit)), Set(Arithmetic::kLimit)); }

  Arithmetic arithmetic_;
};

template <bool kIsFloat>
class WideLanes {
 public:
  using Arithmetic = WideArithmetic;
  using D = hn::CappedTag<float, SkewedLayout::kMaxLanes>;
  using DI = hn::RebindToSigned<D>;
  using V = hn::Vec<D>;
  using VI = hn::Vec<DI>;
  using M = hn::Mask<D>;

  explicit WideLanes(const Arithmetic& arithmetic)
      : arithmetic_(arithmetic), mantissa_bits_(SampleMap::MantissaBits(arithmetic.map().kind())) {}

  static V Load(const float* from) { return hn::LoadU(D(), from); }
  static void Store(V v, size_t count, float* to) {
    if (count >= hn::Lanes(D())) {
      hn::StoreU(v, D(), to);
    } else {
      hn::StoreU(hn::IfThenElse(hn::FirstN(D(), count), v, hn::LoadU(D(), to)), D(), to);
    }
  }

  V Clamp(V v) const { return hn::Min(hn::Max(v, Set(arithmetic_.low())), Set(arithmetic_.high())); }
  static V FinishSpatial(V sum) { return sum; }
  static V BeginTerms(V spatial) { return spatial; }
  static V FinishTerms(V, V sum) { return sum; }
  static V FinishSigma(V sum) { return hn::Max(sum, hn::Zero(D())); }

  static float MeanFactor(int count) { return 1.0f / static_cast<float>(count); }
  static V MeanBy(V sum, V factor) { return hn::Mul(sum, factor); }
  static V MeanOfNine(V sum) { return hn::Mul(sum, Set(MeanFactor(9))); }

  static V UpdateMoving(V moving, V error) { return hn::Add(moving, hn::Mul(hn::Sub(error, moving), Set(0.25f))); }
  static V MovingMean(V moving) { return moving; }

  VI Quantize(V v) const {
    constexpr int32_t kLimit = Arithmetic::kQuantizeLimit;
    return Round(hn::Mul(v, Set(arithmetic_.inverse_quantum())), -kLimit, kLimit);
  }
  VI Position(V prediction) const {
    constexpr int32_t kLimit = Arithmetic::kPositionLimit;
    if constexpr (kIsFloat) return NearestFloatCode(prediction);
    return Round(hn::Mul(prediction, Set(4.0f)), -kLimit, kLimit);
  }
  VI Activity(V prediction, V sigma) const {
    if constexpr (kIsFloat) {
      const V p = Clamp(prediction), margin = hn::Mul(sigma, Set(0.1875f));
      const VI below = NearestFloatCode(hn::Max(hn::Sub(p, sigma), hn::Sub(Set(arithmetic_.low()), margin)));
      const VI above = NearestFloatCode(hn::Min(hn::Add(p, sigma), hn::Add(Set(arithmetic_.high()), margin)));
      return hn::ShiftRight<1>(hn::Sub(above, below));
    }
    return Round(hn::Mul(sigma, Set(16.0f)), 0, Arithmetic::kPositionLimit);
  }
  VI NearestCode(V prediction) const {
    VI code;
    if constexpr (kIsFloat) {
      code = NearestFloatCode(prediction);
    } else {
      code = Round(prediction, arithmetic_.map().MinCode(), arithmetic_.map().MaxCode());
    }
    return hn::Min(hn::Max(code, SetInt(arithmetic_.low_code())), SetInt(arithmetic_.high_code()));
  }

  V ValueOf(VI code) const {
    if constexpr (!kIsFloat) return hn::ConvertTo(D(), code);
    const VI magnitude = hn::Add(hn::Abs(code), SetInt((Base() << mantissa_bits_) - 1));
    const VI bits = hn::Or(hn::ShiftLeftSame(magnitude, 23 - mantissa_bits_), SignOf(code));
    return hn::BitCast(D(), ZeroWhereZero(code, bits));
  }
  VI ToSample(VI code) const {
    const SampleKind kind = arithmetic_.map().kind();
    if constexpr (!kIsFloat) {
      const int bits = SampleBits(kind);
      return bits == 32 ? code : hn::And(code, SetInt((1 << bits) - 1));
    }
    const int32_t zero = kind == SampleKind::kF16 ? 112 : 0;  // the exponents of binary16 begin later
    const VI magnitude =
        hn::Add(hn::Abs(code), SetInt(((arithmetic_.map().base_exponent() - zero) << mantissa_bits_) - 1));
    const VI sign = kind == SampleKind::kF32 ? SignOf(code) : hn::And(hn::ShiftRight<16>(code), SetInt(0x8000));
    return ZeroWhereZero(code, hn::Or(magnitude, sign));
  }

 private:
  static V Set(float value) { return hn::Set(D(), value); }
  static VI SetInt(int32_t value) { return hn::Set(DI(), value); }
  static int32_t Base() { return static_cast<int32_t>(SampleMap::kValueBase); }
  static VI SignOf(VI code) { return hn::And(code, SetInt(INT32_MIN)); }
  static VI ZeroWhereZero(VI code, VI v) { return hn::IfThenZeroElse(hn::Eq(code, hn::Zero(DI())), v); }

  // RoundToInteger.
  static VI Round(V v, int32_t low, int32_t high) {
#if HWY_TARGET == HWY_SCALAR || HWY_TARGET == HWY_EMU128  // where NearestInt is not exact
    float value[SkewedLayout::kMaxLanes];
    int32_t rounded[SkewedLayout::kMaxLanes];
    hn::StoreU(v, D(), value);
    for (size_t i = 0; i < hn::Lanes(D()); ++i) rounded[i] = RoundToInteger(value[i], low, high);
    return hn::LoadU(DI(), rounded);
#else
    const auto at_least = hn::RebindMask(DI(), hn::Ge(v, Set(static_cast<float>(high))));
    const auto at_most = hn::RebindMask(DI(), hn::Le(v, Set(static_cast<float>(low))));
    return hn::IfThenElse(at_most, SetInt(low), hn::IfThenElse(at_least, SetInt(high), hn::NearestInt(v)));
#endif
  }

  // SampleMap::NearestFloatCode.
  VI NearestFloatCode(V value) const {
    const VI bits = hn::BitCast(DI(), value);
    const VI magnitude = hn::And(bits, SetInt(INT32_MAX));
    const int drop = 23 - mantissa_bits_;
    const VI half = SetInt(drop == 0 ? 0 : 1 << (drop - 1));
    // Of finite values: no overflow.
    const VI rounded = hn::ShiftRightSame(hn::Add(magnitude, half), drop);
    VI code = hn::Sub(rounded, SetInt((Base() << mantissa_bits_) - 1));
    code = hn::Min(code, SetInt(SampleMap::kMaxOctaves << mantissa_bits_));
    const VI small = hn::IfThenElseZero(hn::Gt(magnitude, SetInt(((Base() - 1) << 23) - 1)), SetInt(1));
    code = hn::IfThenElse(hn::Lt(magnitude, SetInt(Base() << 23)), small, code);
    const VI sign = hn::BroadcastSignBit(bits);
    return hn::Sub(hn::Xor(code, sign), sign);
  }

  Arithmetic arithmetic_;
  int mantissa_bits_;
};

// Quantizer: how many of the ascending thresholds each lane reaches.
template <typename DI>
HWY_INLINE hn::Vec<DI> BinOf(DI di, hn::Vec<DI> v, const std::vector<int32_t>& thresholds) {
  hn::Vec<DI> bin = hn::Set(di, static_cast<int32_t>(thresholds.size()));
  for (int32_t threshold : thresholds) bin = hn::Add(bin, hn::VecFromMask(di, hn::Gt(hn::Set(di, threshold), v)));
  return bin;
}

}  // namespace HWY_NAMESPACE
}  // namespace dcac
HWY_AFTER_NAMESPACE();

#endif  // DCAC_CORE_CODEC_VALUE_LANES_INL_H_
