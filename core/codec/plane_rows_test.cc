#include "core/codec/plane_rows.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "core/base/exact_math.h"
#include "core/codec/random_models.h"
#include "core/kernels/target.h"

namespace dcac {
namespace {

// Passes over random planes, with a random model, and the same sample by sample.
template <typename Arithmetic>
class Passes {
 public:
  using Value = typename Arithmetic::Value;
  using Stored = typename Arithmetic::Stored;

  Passes(SampleKind kind, const SetShape& shape, uint64_t seed)
      : shape_(shape),
        model_(RandomModels(seed).Model(kind, shape, std::vector<int>(static_cast<size_t>(shape.planes), -1))),
        map_(kind, model_.base_exponent),
        arithmetic_(map_, {model_.low_code, model_.high_code, model_.unit_exponent}),
        predictor_(arithmetic_, model_) {
    std::mt19937_64 random(seed);
    const uint64_t span = static_cast<uint64_t>(int64_t{model_.high_code} - model_.low_code) + 1;
    for (int p = 0; p < shape.planes; ++p) {
      CodedPlane<Arithmetic>& plane = planes_.emplace_back(shape);
      for (int y = 0; y < shape.height; ++y) {
        for (int x = 0; x < shape.width; ++x) {
          const int64_t code = model_.low_code + static_cast<int64_t>(random() % span);
          plane.value.Set(y, x, static_cast<Stored>(arithmetic_.ValueOf(static_cast<int32_t>(code))));
        }
      }
    }
    const size_t times = static_cast<size_t>(shape.num_local_times());
    for (size_t i = 0; i < times; ++i) means_.push_back(RandomMean(random));
    for (int i = 0; i < shape.plane_samples(); ++i) recent_.push_back(Arithmetic::Abs(RandomMean(random)));
  }

  // Compares all planes, for the active target.
  void ExpectAgreement() {
    const PlaneRows<Arithmetic>& rows = PlaneRows<Arithmetic>::Get();
    const size_t n = static_cast<size_t>(shape_.plane_samples());
    std::vector<Value> spatial(n), prediction(n), sigma(n);
    std::vector<uint16_t> cell(n);
    std::vector<int32_t> center(n);
    for (int p = 0; p < shape_.planes; ++p) {
      const PlaneModel& model = model_.planes[static_cast<size_t>(p)];
      CodedPlane<Arithmetic>& plane = planes_[static_cast<size_t>(p)];
      rows.PredictSpatially(predictor_, shape_, means_.data(), plane, spatial.data());
      rows.Predict(predictor_, shape_, p, model, spatial.data(), planes_, prediction.data());
      rows.ExpectErrors(predictor_, shape_, p, model, planes_, spatial.data(), means_.data(), recent_.data(),
                        sigma.data());
      rows.FindCells(arithmetic_, model_, n, prediction.data(), sigma.data(), cell.data(), center.data());
      std::vector<int64_t> sums = rows.SumQuanta(arithmetic_, shape_, plane.error);
      size_t at = 0;
      for (int y = 0; y < shape_.height; ++y) {
        for (int x = 0; x < shape_.width; ++x, ++at) {
          SCOPED_TRACE(absl::StrCat("plane ", p, ", row ", y, ", column ", x));
          ExpectSample(p, y, x, recent_[at], spatial[at], prediction[at], sigma[at]);
          ExpectCell(prediction[at], sigma[at], cell[at], center[at]);
          sums[static_cast<size_t>(x + 2 * y)] -= arithmetic_.Quantize(*plane.error.At(y, x));
          if (testing::Test::HasFailure()) return;
        }
      }
      EXPECT_EQ(sums, std::vector<int64_t>(sums.size(), 0));
    }
  }

 private:
  Value RandomMean(std::mt19937_64& random) const {
    const int32_t limit = int32_t{1} << (IsNarrow(map_.kind()) ? 12 : 18);
    return arithmetic_.Dequantize(static_cast<int32_t>(random() % static_cast<uint64_t>(2 * limit)) - limit);
  }

  void ExpectSample(int p, int y, int x, Value recent, Value spatial, Value prediction, Value sigma) const {
    const CodedPlane<Arithmetic>& plane = planes_[static_cast<size_t>(p)];
    const PlaneModel& model = model_.planes[static_cast<size_t>(p)];
    const int c = ClassOf(y, x);
    const Value mean = means_[static_cast<size_t>(x + 2 * y)];
    const auto taps = predictor_.Taps(plane.value, y, x, c);
    EXPECT_EQ(spatial, predictor_.Spatial(c, taps, mean));
    EXPECT_EQ(prediction, predictor_.Predict(model, planes_, y, x, c, taps, spatial));
    const Value value = *plane.value.At(y, x);
    EXPECT_EQ(*plane.innovation.At(y, x), static_cast<Stored>(value - arithmetic_.Clamp(spatial)));
    EXPECT_EQ(*plane.error.At(y, x), static_cast<Stored>(Arithmetic::Abs(value - arithmetic_.Clamp(prediction))));
    SigmaTerms<Arithmetic> terms;
    terms.errors = predictor_.Taps(plane.error, y, x, c);
    terms.spread = predictor_.Spread(c, taps, spatial);
    terms.running = mean;
    terms.recent = recent;
    predictor_.ReferenceActivity(p, model, planes_, y, x, terms.reference, terms.local);
    EXPECT_EQ(sigma, predictor_.Sigma(c, terms));
  }

  void ExpectCell(Value prediction, Value sigma, uint16_t cell, int32_t center) const {
    const size_t row = Quantizer(model_.position_thresholds).BinOf(arithmetic_.Position(prediction));
    const size_t column = Quantizer(model_.activity_thresholds).BinOf(arithmetic_.Activity(prediction, sigma));
    EXPECT_EQ(cell, row * static_cast<size_t>(model_.activity_bins()) + column);
    EXPECT_EQ(center, arithmetic_.NearestCode(prediction));
  }

  SetShape shape_;
  SetModel model_;
  SampleMap map_;
  Arithmetic arithmetic_;
  PlanePredictor<Arithmetic> predictor_;
  std::vector<CodedPlane<Arithmetic>> planes_;
  std::vector<Value> means_, recent_;
};

TEST(PlaneRowsTest, AgreeWithSampleBySampleOnAllTargets) {
  const SetShape shapes[] = {{3, 1, 1}, {3, 1, 21}, {3, 21, 1}, {6, 5, 16}, {6, 9, 19}};
  const FloatEnvironment environment;
  for (std::string_view target : SupportedTargets()) {
    ASSERT_TRUE(ForceTarget(target).ok());
    for (SampleKind kind : kAllKinds) {
      for (const SetShape& shape : shapes) {
        for (uint64_t seed = 0; seed < 4; ++seed) {
          SCOPED_TRACE(absl::StrCat(std::string(target), ", kind ", static_cast<int>(kind), ", ", shape.height, " x ",
                                    shape.width, ", seed ", seed));
          if (IsNarrow(kind)) {
            Passes<NarrowArithmetic>(kind, shape, seed).ExpectAgreement();
          } else {
            Passes<WideArithmetic>(kind, shape, seed).ExpectAgreement();
          }
        }
      }
    }
  }
  ASSERT_TRUE(ForceTarget("").ok());
}

}  // namespace
}  // namespace dcac
