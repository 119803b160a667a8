// What kernels find in the tables of a set, on every target.
#include "core/codec/lane_tables.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/kernels/lane_group.h"
#include "core/kernels/target.h"
#include "hwy/aligned_allocator.h"

namespace dcac {
namespace {

constexpr size_t kBytes = 256;

// Bins of position and of activity.
class LaneTablesTest : public ::testing::TestWithParam<std::pair<size_t, size_t>> {
 protected:
  static std::vector<uint8_t> Thresholds(size_t count, std::mt19937& random) {
    std::vector<uint8_t> all(kBytes - 1);
    for (size_t i = 0; i < all.size(); ++i) all[i] = static_cast<uint8_t>(i);  // 255 is above no byte
    std::shuffle(all.begin(), all.end(), random);
    all.resize(count);
    std::sort(all.begin(), all.end());
    return all;
  }

  static LaneModel MakeModel(bool has_mode) {
    std::mt19937 random(1);
    const auto [rows, columns] = GetParam();
    LaneModel model;
    model.has_mode = has_mode;
    model.mode_code = 77;
    model.position_thresholds = Thresholds(rows - 1, random);
    model.activity_thresholds = Thresholds(columns - 1, random);
    for (size_t cell = 0; cell < rows * columns; ++cell) model.cluster.push_back(static_cast<uint8_t>(random() % 64));
    model.fixed_center.assign(rows * columns, false);
    for (size_t row = 0; row < rows; ++row) model.center.push_back(static_cast<int32_t>(random() % kBytes));
    model.num_tokens = 45;
    return model;
  }

  static size_t BinOf(const std::vector<uint8_t>& thresholds, uint8_t byte) {
    return static_cast<size_t>(std::ranges::count_if(thresholds, [byte](uint8_t t) { return t < byte; }));
  }
};

// All residuals, positions and activities occur, and all pairs of these that matter: the second half of the positions
// of a step has other residuals than the first.
TEST_P(LaneTablesTest, CellsAndTokensAreThoseOfTheTables) {
  for (const bool has_mode : {false, true}) {
    const LaneModel model = MakeModel(has_mode);
    const LaneTables tables = MakeLaneTables(SampleKind::kU8, model);
    const size_t n = kBytes * kBytes;
    std::vector<uint8_t> position(n + kRansLanes), activity(n + kRansLanes), center(n + kRansLanes),
        codes(n + kRansLanes);
    std::mt19937 random(2);
    for (size_t i = 0; i < n; ++i) {
      position[i] = static_cast<uint8_t>(i);
      activity[i] = static_cast<uint8_t>(i / kBytes);
      center[i] = static_cast<uint8_t>(random());
      codes[i] = static_cast<uint8_t>(random());
    }
    for (const std::string_view target : SupportedTargets()) {
      ASSERT_TRUE(ForceTarget(target).ok());
      for (const bool fixed : {false, true}) {
        std::vector<uint16_t> symbols(n + kRansLanes);
        const auto raw = hwy::AllocateAligned<uint8_t>(n + kRansLanes);
        LaneSymbols out;
        out.symbol = symbols.data();
        out.narrow_raw = raw.get();
        TokenizeLaneCells(tables, LaneAnalysis<NarrowLanes>{position.data(), activity.data(), center.data()},
                          codes.data(), n, fixed, out);
        for (size_t i = 0; i < n; ++i) {
          const size_t row = BinOf(model.position_thresholds, position[i]);
          const size_t column = BinOf(model.activity_thresholds, activity[i]);
          const int from = fixed ? model.center[row] : center[i];
          const uint8_t residual = static_cast<uint8_t>(codes[i] - from);
          const bool is_mode = has_mode && codes[i] == model.mode_code;
          const size_t token = is_mode ? 0 : tables.token[residual];
          ASSERT_EQ(symbols[i], tables.CellNumber(row, column) << 6 | token) << target << ", " << i;
          ASSERT_EQ(raw[i], is_mode ? 0 : tables.raw[residual]) << target << ", " << i;
        }
      }
    }
    ASSERT_TRUE(ForceTarget("").ok());
  }
}

INSTANTIATE_TEST_SUITE_P(Bins, LaneTablesTest,
                         ::testing::Values(std::pair{1, 1}, std::pair{8, 8}, std::pair{3, 7}, std::pair{9, 8},
                                           std::pair{8, 9}, std::pair{16, 8}, std::pair{12, 12}, std::pair{16, 16}),
                         [](const auto& instance) {
                           return std::to_string(instance.param.first) + "x" + std::to_string(instance.param.second);
                         });

}  // namespace
}  // namespace dcac
