#include "core/kernels/lane_search.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include "core/kernels/each_target.h"

namespace dcac {
namespace {

constexpr size_t kLength = 3 * kGramLanes;

std::vector<float> Floats(size_t n, unsigned seed) {
  std::mt19937 random(seed);
  std::vector<float> result(n);
  for (float& v : result) v = static_cast<float>(static_cast<int>(random() % 20001) - 10000) / 77.0f;
  return result;
}

std::vector<int16_t> Integers(size_t n, int limit, unsigned seed) {
  std::mt19937 random(seed);
  std::vector<int16_t> result(n);
  for (int16_t& v : result) {
    v = static_cast<int16_t>(static_cast<int>(random() % static_cast<unsigned>(2 * limit + 1)) - limit);
  }
  return result;
}

// Rounded product of fractions of 15 bits.
int Weighted(int a, int b) {
  return (a * b + (1 << 14)) >> 15;
}

TEST(LaneSearchKernelTest, CopiesRunsOfAnyLength) {
  const std::vector<LaneRun> runs = {{40, 0, 1}, {3, 1, 33}, {90, 34, 17}, {0, 51, 32}};
  const std::vector<float> floats = Floats(160, 1);
  const std::vector<int16_t> integers = Integers(160, 9999, 2);
  ForEachTarget([&] {
    std::vector<float> row(51 + 2 * kGramLanes);
    std::vector<int16_t> integer_row(row.size());
    CopyRuns(runs.data(), runs.size(), floats.data(), row.data());
    CopyRuns(runs.data(), runs.size(), integers.data(), integer_row.data());
    for (const LaneRun& run : runs) {
      for (int32_t i = 0; i < run.count; ++i) {
        const size_t from = static_cast<size_t>(run.from + i), to = static_cast<size_t>(run.to + i);
        ASSERT_EQ(row[to], floats[from]);
        ASSERT_EQ(integer_row[to], integers[from]);
      }
    }
  });
}

// `rows`: of six taps, then the values; `unit`: what a one of them is.
template <typename T>
void ExpectInnovationsOfPlainLoops(const std::vector<std::vector<T>>& rows, float unit) {
  LaneSpatialFit fit;
  fit.weight = {0.4f, -0.1f, 0.3f, 0.2f, 0.15f, -0.05f};
  fit.base = 0.7f;
  fit.low = -60;
  fit.high = 50;
  fit.slack = 2;
  for (size_t num_taps : {3u, 4u, 6u}) {
    LaneTapRows<T> taps;
    taps.count = kLength;
    taps.num_taps = num_taps;
    taps.value = rows[6].data();
    for (size_t t = 0; t < num_taps; ++t) taps.tap[t] = rows[t].data();
    const auto value_of = [&](size_t row, size_t i) { return static_cast<float>(rows[row][i]) * unit; };
    ForEachTarget([&] {
      std::vector<float> residual(kLength), innovation(kLength), scale(kLength);
      FindLaneInnovations(taps, fit, {residual.data(), innovation.data(), scale.data()});
      const float share = 1.0f / static_cast<float>(num_taps), half_share = 0.5f / static_cast<float>(num_taps);
      for (size_t i = 0; i < kLength; ++i) {
        float p = fit.base, sum = 0, spread = 0;
        for (size_t t = 0; t < num_taps; ++t) {
          sum += value_of(t, i);
          p += fit.weight[t] * value_of(t, i);
        }
        for (size_t t = 0; t < num_taps; ++t) spread += std::abs(value_of(t, i) - sum * share);
        const float value = value_of(6, i), expected = value - std::clamp(p, fit.low, fit.high);
        ASSERT_EQ(residual[i], value - p);
        ASSERT_EQ(innovation[i], expected);
        ASSERT_EQ(scale[i], 1.0f / (half_share * spread + 0.1f * std::abs(expected) + fit.slack));
      }
    });
  }
}

TEST(LaneSearchKernelTest, InnovationsAreWhatThePlainLoopsFind) {
  std::vector<std::vector<float>> floats;
  std::vector<std::vector<int16_t>> integers;
  for (unsigned t = 0; t < 7; ++t) {
    floats.push_back(Floats(kLength, 10 + t));
    integers.push_back(Integers(kLength, 16320, 10 + t));
  }
  ExpectInnovationsOfPlainLoops(floats, 1);
  ExpectInnovationsOfPlainLoops(integers, 1.0f / 64);
}

TEST(LaneSearchKernelTest, RowsOfIntegersAreWhatThePlainLoopsMake) {
  const std::vector<float> floats = Floats(kLength, 20);
  const std::vector<int16_t> a = Integers(kLength, 32767, 21), b = Integers(kLength, 32767, 22);
  ForEachTarget([&] {
    std::vector<int16_t> quantized(kLength), edges(kLength), integer_edges(kLength), weighted(kLength), masked = a;
    QuantizeRow(floats.data(), 300.0f, kLength, quantized.data());
    MarkEdges(floats.data(), -40.0f, 60.0f, kLength, edges.data());
    MarkEdges(a.data(), -3000, 20000, kLength, integer_edges.data());
    WeightRow(a.data(), b.data(), 1000, kLength, weighted.data());
    MaskRow(edges.data(), kLength, masked.data());
    const std::vector<uint8_t> codes = {0, 1, 77, 128, 254, 255};
    std::vector<int16_t> centered_codes(codes.size());
    CenterCodes(codes.data(), 200, codes.size(), centered_codes.data());
    EXPECT_EQ(centered_codes, (std::vector<int16_t>{-12800, -12736, -7872, -4608, 3456, 3520}));
    std::vector<float> centered = floats;
    CenterRow(1.5f, 4.0f, kLength, centered.data());
    for (size_t i = 0; i < kLength; ++i) {
      const float cut = std::clamp(floats[i] * 300.0f, -32767.0f, 32767.0f);
      ASSERT_EQ(quantized[i], static_cast<int>(std::floor(cut + 32768.5f)) - 32768);
      ASSERT_EQ(edges[i], floats[i] <= -40.0f ? -1 : floats[i] >= 60.0f ? 1 : 0);
      ASSERT_EQ(integer_edges[i], a[i] <= -3000 ? -1 : a[i] >= 20000 ? 1 : 0);
      ASSERT_EQ(weighted[i], std::clamp(Weighted(a[i], b[i]), -1000, 1000));
      ASSERT_EQ(masked[i], a[i] & edges[i]);
      ASSERT_EQ(centered[i], (floats[i] - 1.5f) * 4.0f);
    }
  });
}

int32_t PlainProduct(const int16_t* a, const int16_t* b, size_t n) {
  int32_t sum = 0;
  for (size_t i = 0; i < n; ++i) sum += a[i] * b[i];
  return sum;
}

TEST(LaneSearchKernelTest, ProductsOfLongRowsAreSumsOfThoseOfPieces) {
  constexpr size_t kRows = 7;
  for (size_t n : {512u, 544u, 1024u, 1504u}) {
    const std::vector<int16_t> rows = Integers(kRows * n, 800, 51);
    ForEachTarget([&] {
      std::vector<int32_t> two(kRows * kRows, -1), one(kRows * kRows, -1);
      GramOfRows({rows.data(), n, kRows}, {rows.data(), n, kRows}, n, two.data(), kRows);
      GramOfRows({rows.data(), n, kRows}, n, one.data(), kRows);
      for (size_t i = 0; i < kRows; ++i) {
        for (size_t j = 0; j <= i; ++j) {
          const int32_t expected = PlainProduct(&rows[i * n], &rows[j * n], n);
          ASSERT_EQ(two[i * kRows + j], expected);
          ASSERT_EQ(two[j * kRows + i], expected);
          ASSERT_EQ(one[i * kRows + j], expected);
        }
      }
    });
  }
}

TEST(LaneSearchKernelTest, ProductsOfAnyNumberOfRows) {
  constexpr size_t kRows = 11, kStride = kLength + 5, kOut = 13;
  const std::vector<int16_t> a = Integers(kRows * kStride, 2000, 31), b = Integers(kRows * kStride, 2000, 32);
  ForEachTarget([&] {
    for (size_t num_a = 0; num_a <= kRows; ++num_a) {
      for (size_t num_b = 0; num_b <= kRows; ++num_b) {
        std::vector<int32_t> out(kRows * kOut, -1);
        GramOfRows({a.data(), kStride, num_a}, {b.data(), kStride, num_b}, kLength, out.data(), kOut);
        for (size_t i = 0; i < num_a; ++i) {
          for (size_t j = 0; j < num_b; ++j) {
            ASSERT_EQ(out[i * kOut + j], PlainProduct(&a[i * kStride], &b[j * kStride], kLength));
          }
        }
      }
      std::vector<int32_t> out(kRows * kOut, -1);
      GramOfRows({a.data(), kStride, num_a}, 2 * kGramLanes, out.data(), kOut);
      for (size_t i = 0; i < num_a; ++i) {
        for (size_t j = 0; j <= i; ++j) {
          ASSERT_EQ(out[i * kOut + j], PlainProduct(&a[i * kStride], &a[j * kStride], 2 * kGramLanes));
        }
      }
    }
  });
}

TEST(LaneSearchKernelTest, HidesWhatIsPredictedBeyondAnEdge) {
  const std::vector<int16_t> first = Integers(kLength, 4095, 41), second = Integers(kLength, 4095, 42);
  const std::vector<int16_t> target = Integers(kLength, 3000, 43), edges = Integers(kLength, 1, 44);
  LaneTerms terms;
  terms.count = 2;
  terms.row = {first.data(), second.data()};
  terms.weight = {3000, -5000};
  ForEachTarget([&] {
    std::vector<int16_t> keep(kLength);
    const size_t hidden = FindHidden(terms, target.data(), edges.data(), kLength, keep.data());
    size_t expected_hidden = 0;
    for (size_t i = 0; i < kLength; ++i) {
      const int sum = Weighted(first[i] * 8, 3000) + Weighted(second[i] * 8, -5000);
      const bool is_hidden = (edges[i] < 0 && sum < target[i]) || (edges[i] > 0 && sum > target[i]);
      ASSERT_EQ(keep[i], is_hidden ? 0 : -1);
      expected_hidden += is_hidden ? 1 : 0;
    }
    EXPECT_EQ(hidden, expected_hidden);
  });
}

TEST(LaneSearchKernelTest, TakesOutARowAndFindsTheFirstBestOfTheRest) {
  for (size_t n : {0u, 1u, 7u, 16u, 67u}) {
    std::vector<float> before(n), inverse_power(n);
    std::vector<int32_t> row(n);
    for (size_t i = 0; i < n; ++i) {
      before[i] = static_cast<float>(i * 5 % 13);
      row[i] = static_cast<int32_t>(i % 7);
      inverse_power[i] = i % 5 == 0 ? 0.0f : 0.25f;
    }
    ForEachTarget([&] {
      std::vector<float> left = before;
      const LaneMatch match = TakeOutRow(0.5f, row.data(), inverse_power.data(), n, left.data());
      size_t best = n;
      float best_score = 0;
      for (size_t i = 0; i < n; ++i) {
        const float rest = before[i] - 0.5f * static_cast<float>(row[i]), score = rest * rest * inverse_power[i];
        ASSERT_EQ(left[i], rest);
        if (score <= best_score) continue;
        best_score = score;
        best = i;
      }
      EXPECT_EQ(match.at, best);
      EXPECT_EQ(match.score, best_score);
    });
  }
}

}  // namespace
}  // namespace dcac
