#include "client/cli/bench/measure.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <thread>

namespace dcac::cli {
namespace {

using ::testing::HasSubstr;

// Copies; wrongly if asked to.
class TestCodec final : public BenchCodec {
 public:
  explicit TestCodec(bool restores, std::vector<std::string>* calls = nullptr) : restores_(restores), calls_(calls) {}

  std::string name() const override { return restores_ ? "good" : "bad"; }

  absl::StatusOr<ByteView> Compress(const TensorSpec& /*spec*/, std::span<const std::byte> data) override {
    if (calls_ != nullptr) calls_->push_back("compress");
    compressed_.assign(data.begin(), data.end());
    return ByteView(compressed_);
  }

  absl::StatusOr<ByteView> Decompress(std::span<const std::byte> compressed, std::size_t /*raw_bytes*/) override {
    if (calls_ != nullptr) calls_->push_back("decompress");
    raw_.assign(compressed.begin(), compressed.end());
    if (!restores_) raw_.back() ^= std::byte{1};
    return ByteView(raw_);
  }

 private:
  bool restores_;
  std::vector<std::string>* calls_;
  std::vector<std::byte> compressed_, raw_;
};

Tensor SmallTensor() {
  return {{.dtype = DType::kU8, .shape = {8, 8}}, std::vector<std::byte>(64, std::byte{7})};
}

TEST(MeasureTest, EveryCodecHasItsFewestRunsAfterTheRoundTrips) {
  std::vector<std::string> calls;
  std::vector<BenchedCodec> codecs;
  codecs.push_back({.codec = std::make_unique<TestCodec>(true, &calls)});
  codecs.push_back({.codec = MakeMemcpyBenchCodec(), .is_peer = true});
  const auto figures = MeasureCodecs(SmallTensor(), codecs, {.min_runs = 7, .seconds = 0});
  ASSERT_TRUE(figures.ok()) << figures.status();
  ASSERT_EQ(figures->size(), 2u);
  EXPECT_EQ((*figures)[0].codec, "good");
  EXPECT_FALSE((*figures)[0].is_peer);
  EXPECT_TRUE((*figures)[1].is_peer);
  for (const CodecFigures& codec : *figures) {
    EXPECT_EQ(codec.runs, 7u);
    EXPECT_EQ(codec.compressed_bytes, 64u);
    EXPECT_GE(codec.compress.median_seconds, codec.compress.best_seconds);
    EXPECT_FALSE(codec.compress.phases);
  }
  constexpr std::size_t kVerifyAndWarmUp = 2;
  EXPECT_EQ(calls.size(), 2 * (7 + kVerifyAndWarmUp));
}

TEST(MeasureTest, CpuTimeDoesNotPassWhileACodecSleeps) {
  class SleepingCodec final : public BenchCodec {
   public:
    std::string name() const override { return "sleeping"; }
    absl::StatusOr<ByteView> Compress(const TensorSpec& /*spec*/, std::span<const std::byte> data) override {
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
      return data;
    }
    absl::StatusOr<ByteView> Decompress(std::span<const std::byte> compressed, std::size_t /*raw_bytes*/) override {
      return compressed;
    }
  };
  for (bool cpu_time : {false, true}) {
    std::vector<BenchedCodec> codecs;
    codecs.push_back({.codec = std::make_unique<SleepingCodec>()});
    const auto figures = MeasureCodecs(SmallTensor(), codecs, {.min_runs = 1, .seconds = 0, .cpu_time = cpu_time});
    ASSERT_TRUE(figures.ok()) << figures.status();
    EXPECT_EQ(figures->front().compress.best_seconds < 0.02, cpu_time);
  }
}

TEST(MeasureTest, ACodecThatRestoresOtherSamplesIsNotMeasured) {
  std::vector<BenchedCodec> codecs;
  codecs.push_back({.codec = std::make_unique<TestCodec>(false)});
  const auto figures = MeasureCodecs(SmallTensor(), codecs, {});
  EXPECT_EQ(figures.status().code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(figures.status().message()), HasSubstr("bad restored other samples"));
}

TEST(MeasureTest, PhasesOfOurCodecsOnly) {
  std::vector<BenchedCodec> codecs;
  codecs.push_back({.codec = std::make_unique<TestCodec>(true)});
  codecs.push_back({.codec = MakeMemcpyBenchCodec(), .is_peer = true});
  const auto figures = MeasureCodecs(SmallTensor(), codecs, {.min_runs = 1, .seconds = 0, .profile_phases = true});
  ASSERT_TRUE(figures.ok()) << figures.status();
  EXPECT_TRUE((*figures)[0].compress.phases && (*figures)[0].decompress.phases);
  EXPECT_FALSE((*figures)[1].compress.phases || (*figures)[1].decompress.phases);
}

// Each peer keeps its memory; a smaller tensor after a larger one must not see the rest of it.
TEST(BenchCodecTest, PeersRestoreTensorsOfChangingSizes) {
  for (const std::string name : {"zstd-1", "lz4", "memcpy"}) {
    auto codec = MakePeerBenchCodec(name);
    ASSERT_TRUE(codec.ok());
    for (std::size_t bytes : {1000u, 10u, 100000u, 0u}) {
      const std::vector<std::byte> data(bytes, std::byte{42});
      const auto compressed = (*codec)->Compress({.dtype = DType::kU8, .shape = {bytes}}, data);
      ASSERT_TRUE(compressed.ok()) << name << ": " << compressed.status();
      const auto raw = (*codec)->Decompress(*compressed, bytes);
      ASSERT_TRUE(raw.ok()) << name << ": " << raw.status();
      EXPECT_TRUE(std::equal(raw->begin(), raw->end(), data.begin(), data.end())) << name << " " << bytes;
    }
  }
}

TEST(BenchCodecTest, UnknownPeers) {
  for (const std::string name : {"gzip", "zstd-", "zstd-0", "zstd-23", "zstd-1x", ""}) {
    EXPECT_EQ(MakePeerBenchCodec(name).status().code(), absl::StatusCode::kInvalidArgument) << name;
  }
}

}  // namespace
}  // namespace dcac::cli
