#include "client/loadgen/mix.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace dcac::loadgen {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<std::size_t> Take(MixSequence sequence, int count) {
  std::vector<std::size_t> indices;
  for (int i = 0; i < count; ++i) indices.push_back(sequence.Next());
  return indices;
}

TEST(ParseMixEntryTest, FilesAndWeights) {
  struct Case {
    std::string text, file;
    std::uint32_t weight;
  };
  for (const Case& c :
       {Case{"a.npy", "a.npy", 1}, Case{"a.npy@3", "a.npy", 3}, Case{"a@b/c.npy", "a@b/c.npy", 1},
        Case{"a@2@7", "a@2", 7}, Case{"a@", "a@", 1}, Case{"a@1.5", "a@1.5", 1}, Case{"x@1000000", "x", 1'000'000}}) {
    const absl::StatusOr<MixEntry> entry = ParseMixEntry(c.text);
    ASSERT_TRUE(entry.ok()) << c.text;
    EXPECT_EQ(entry->file, c.file);
    EXPECT_EQ(entry->weight, c.weight);
  }
}

TEST(ParseMixEntryTest, WhatIsWrongIsSaid) {
  for (const char* const text : {"a@0", "a@1000001", "a@99999999999999999999"}) {
    const absl::StatusOr<MixEntry> entry = ParseMixEntry(text);
    ASSERT_FALSE(entry.ok()) << text;
    EXPECT_THAT(std::string(entry.status().message()), HasSubstr("expected 1..1000000"));
  }
  EXPECT_FALSE(ParseMixEntry("").ok());
  EXPECT_FALSE(ParseMixEntry("@5").ok());
}

TEST(MixSequenceTest, EqualWeightsAreARoundRobin) {
  EXPECT_THAT(Take(MixSequence({1, 1, 1}), 6), ElementsAre(0, 1, 2, 0, 1, 2));
  EXPECT_THAT(Take(MixSequence({5, 5}, 1), 3), ElementsAre(1, 0, 1));
}

TEST(MixSequenceTest, SharesHoldAtAnyMoment) {
  const std::vector<std::uint32_t> weights = {7, 1, 3, 1};
  const int total = 12;
  MixSequence sequence(weights);
  std::vector<int> counts(weights.size());
  for (int call = 1; call <= 10 * total; ++call) {
    ++counts[sequence.Next()];
    for (std::size_t i = 0; i < weights.size(); ++i) {
      EXPECT_LE(std::abs(counts[i] - static_cast<double>(call) * weights[i] / total), 1.0) << "call " << call;
    }
  }
  EXPECT_THAT(counts, ElementsAre(70, 10, 30, 10));
}

TEST(MixSequenceTest, OneTensorAlone) {
  EXPECT_THAT(Take(MixSequence({9}, 4), 3), ElementsAre(0, 0, 0));
}

}  // namespace
}  // namespace dcac::loadgen
