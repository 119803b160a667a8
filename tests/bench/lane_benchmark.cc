// Speed of the kernels of the lanes layout on one group of planes, and on what is made of it, on every SIMD target of
// this CPU.  One thread; items are samples.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <array>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "core/codec/lane_encoder.h"
#include "core/codec/lane_raster.h"
#include "core/codec/lane_tables.h"
#include "core/kernels/lane_store.h"
#include "tests/bench/target_benchmark.h"
#include "tests/testing/tensors.h"

namespace dcac {
namespace {

constexpr int kPlanes = 2, kHeight = 112, kWidth = 112;  // one group

// A group whose model was fitted to it, as encoder and decoder have it.
template <typename Lanes>
class Group {
 public:
  using Code = typename Lanes::Code;

  Group(DType dtype, const LaneEncoderOptions& options) : kind_(KindOf(dtype)), shape_{kPlanes, kHeight, kWidth} {
    testing::Random random(1);
    const TensorSpec spec{.dtype = dtype, .shape = {kPlanes, kHeight, kWidth}};
    data_ = testing::MakeData(random, spec, testing::Content::kReluLike);
    const SegmentShape segment{.dtype = dtype, .items = 1, .planes = kPlanes, .height = kHeight, .width = kWidth};
    const PlaneSet set = CollectSet(segment, std::vector<PlaneCoding>(kPlanes), PlaneKind::kNormal);
    std::vector<const std::byte*> planes;
    for (size_t p = 0; p < kPlanes; ++p) planes.push_back(data_.data() + p * data_.size() / kPlanes);
    encoded_ = EncodeLaneSet(set, planes, options);
    tables_ = MakeLaneTables(kind_, encoded_.model);
    if constexpr (std::is_same_v<Lanes, ByteLanes>) {
      tables_.intervals = intervals_.Get(1);
    } else {
      slots_ = MakeLaneSlots(kind_, encoded_.model);
      tables_.slots = slots_.data();
    }
    raster_.emplace(SampleMap(kind_, encoded_.model.base_exponent), shape_, encoded_.model, scratch_);
    raster_->Begin(0);
    Load();
  }

  size_t positions() const { return raster_->group().positions; }

  // Whether the codes come back.
  bool Decode(Code* codes) {
    std::conditional_t<std::is_same_v<Lanes, ByteLanes>, ByteRansDecoder, LaneRansDecoder> rans;
    if (!rans.Begin(encoded_.words).ok()) return false;
    if constexpr (std::is_same_v<Lanes, ByteLanes>) {
      intervals_.Get(1)->Build(IntervalsOf(encoded_.model));  // of the target
      if (!DecodeLaneGroup(tables_, raster_->group(), rans)) return false;
      std::copy_n(raster_->group().value, positions(), codes);
      return true;
    } else if constexpr (std::is_same_v<Lanes, NarrowLanes>) {
      return DecodeLaneGroup(tables_, raster_->group(), rans, codes);
    } else {
      std::vector<uint32_t> positions_of_escapes(encoded_.escapes.size() / 2);
      LaneEscapes escapes{positions_of_escapes.data(), 0, positions_of_escapes.size()};
      return DecodeLaneGroup(tables_, raster_->group(), rans, codes, escapes);
    }
  }

  void Tokenize(const LaneSymbols& symbols) {
    if constexpr (std::is_same_v<Lanes, ByteLanes>) {
      TokenizeLaneGroup(tables_, raster_->group(), symbols);
    } else {
      TokenizeLaneGroup(tables_, raster_->group(), codes_.Get(room()), symbols);
    }
  }
  void Analyse(const LaneAnalysis<Lanes>& analysis) { AnalyseLaneGroup(tables_, raster_->group(), analysis); }

  const Code* codes() { return codes_.Get(room()); }
  size_t room() const { return positions() + 2 * kRansLanes; }  // of arrays that have an element for each position
  size_t steps() const { return (positions() + raster_->group().step - 1) / raster_->group().step; }

 private:
  // Codes by decoding, values by codes.
  void Load() {
    Code* const codes = codes_.Get(room());
    std::fill_n(codes, room(), Code{});
    Decode(codes);
    if constexpr (!std::is_same_v<Lanes, ByteLanes>) {
      for (size_t i = 0; i < positions(); ++i) {
        raster_->group().value[i] = raster_->arithmetic().ValueOf(static_cast<int32_t>(codes[i]));
      }
    }
  }

  SampleKind kind_;
  SetShape shape_;
  std::vector<std::byte> data_;
  EncodedLaneSet encoded_;
  LaneTables tables_;
  std::vector<uint32_t> slots_;
  Scratch<IntervalTables> intervals_;
  LaneScratch<typename Lanes::Value> scratch_;
  std::optional<LaneRaster<Lanes>> raster_;
  Scratch<Code> codes_;
};

void CountSamples(benchmark::State& state, size_t samples) {
  state.SetItemsProcessed(static_cast<std::int64_t>(samples) * state.iterations());
}

template <typename Lanes>
void RegisterGroup(const std::string& name, DType dtype, const LaneEncoderOptions& options) {
  const auto make = [dtype, options] { return Group<Lanes>(dtype, options); };
  RegisterForTargets(name + "/decode", [make](benchmark::State& state) {
    Group<Lanes> group = make();
    Scratch<typename Lanes::Code> codes;
    bool succeeded = false;
    for (auto _ : state) succeeded = group.Decode(codes.Get(group.room()));
    if (!succeeded || !std::equal(group.codes(), group.codes() + group.positions(), codes.Get(group.room()))) {
      return state.SkipWithError("other codes");
    }
    CountSamples(state, group.positions());
  });
  RegisterForTargets(name + "/tokenize", [make](benchmark::State& state) {
    Group<Lanes> group = make();
    const size_t elements = kRansLanes * group.steps();
    Scratch<uint16_t> symbol, raw;
    Scratch<uint8_t> narrow_raw, raw_bits;
    const LaneSymbols symbols{symbol.Get(elements), narrow_raw.Get(elements), raw.Get(elements),
                              raw_bits.Get(elements)};
    for (auto _ : state) {
      group.Tokenize(symbols);
      benchmark::ClobberMemory();
    }
    CountSamples(state, group.positions());
  });
  RegisterForTargets(name + "/analyse", [make](benchmark::State& state) {
    Group<Lanes> group = make();
    Scratch<uint8_t> position, activity;
    Scratch<typename Lanes::Code> center;
    const size_t room = group.room();
    const LaneAnalysis<Lanes> analysis{position.Get(room), activity.Get(room), center.Get(room)};
    for (auto _ : state) {
      group.Analyse(analysis);
      benchmark::ClobberMemory();
    }
    CountSamples(state, group.positions());
  });
}

template <typename Lanes>
void SumReferences(benchmark::State& state, size_t count) {
  using Value = typename Lanes::Value;
  constexpr size_t kSamples = size_t{kHeight} * kWidth;
  constexpr size_t kRoom = kSamples + kRansLanes;
  Scratch<Value> innovation, sum, activity;
  std::fill_n(innovation.Get(kRoom), kRoom, Value{3});
  LaneReferences<Lanes> references;
  references.count = count;
  references.innovation.fill(innovation.Get(kRoom));
  references.weight.fill(Value{1});
  references.share = Value{1};
  references.rows = kHeight;
  references.columns = references.innovation_stride = references.stride = kWidth;
  references.sum = sum.Get(kRoom);
  references.activity = activity.Get(kRoom);
  for (auto _ : state) {
    SumLaneReferences(references);
    benchmark::ClobberMemory();
  }
  CountSamples(state, kSamples);
}

template <typename Sample>
void Store(benchmark::State& state, bool interlaced) {
  constexpr size_t kSamples = size_t{kHeight} * kWidth;
  const std::vector<Sample> raster(kSamples + 64, Sample{1});
  std::vector<std::byte> plane(kSamples * sizeof(Sample));
  std::byte* const planes[] = {plane.data()};
  const LanePlaneRows rows{kHeight, kWidth, interlaced, interlaced ? size_t{kWidth} / 2 : size_t{kWidth}};
  for (auto _ : state) {
    StoreLanePlanes(rows, raster.data(), 0, planes);
    benchmark::ClobberMemory();
  }
  CountSamples(state, kSamples);
}

void JoinHalves(benchmark::State& state) {
  constexpr size_t kSamples = size_t{kHeight} * kWidth;
  testing::Random random(1);
  std::vector<uint16_t> upper;
  for (size_t i = 0; i < kSamples; ++i) upper.push_back(static_cast<uint16_t>(random.OneIn(2) ? 0 : 0x3f80));
  const size_t halves = kSamples - static_cast<size_t>(std::count(upper.begin(), upper.end(), 0));
  const std::vector<std::byte> low(2 * halves, std::byte{7});
  std::vector<std::byte> plane(4 * kSamples);
  const std::byte* end = nullptr;
  ExactHalves exact;
  exact.Add(0, 0);
  for (auto _ : state) {
    end = JoinLaneHalves(upper.data(), kSamples, exact, low.data(), low.data() + low.size(), plane.data());
    benchmark::ClobberMemory();
  }
  if (end != low.data() + low.size()) return state.SkipWithError("other halves");
  CountSamples(state, kSamples);
}

void RegisterAll() {
  LaneEncoderOptions raster, interlaced, bytes;
  bytes.bytes = true;
  interlaced.interlaced = true;
  interlaced.num_taps = 6;
  RegisterGroup<ByteLanes>("u8, bytes", DType::kU8, bytes);
  RegisterGroup<NarrowLanes>("u8, raster", DType::kU8, raster);
  RegisterGroup<NarrowLanes>("u8, interlaced", DType::kU8, interlaced);
  RegisterGroup<WideLanes>("bf16, raster", DType::kBF16, raster);
  RegisterGroup<WideLanes>("bf16, interlaced", DType::kBF16, interlaced);
  for (size_t count : {size_t{4}, size_t{16}}) {
    const std::string suffix = "/sum of " + std::to_string(count) + " references";
    RegisterForTargets("u8" + suffix, [count](benchmark::State& state) { SumReferences<NarrowLanes>(state, count); });
    RegisterForTargets("bf16" + suffix, [count](benchmark::State& state) { SumReferences<WideLanes>(state, count); });
  }
  for (bool is_interlaced : {false, true}) {
    const std::string suffix = is_interlaced ? ", interlaced/store plane" : ", raster/store plane";
    RegisterForTargets("u8" + suffix,
                       [is_interlaced](benchmark::State& state) { Store<uint8_t>(state, is_interlaced); });
    RegisterForTargets("bf16" + suffix,
                       [is_interlaced](benchmark::State& state) { Store<uint16_t>(state, is_interlaced); });
  }
  RegisterForTargets("f32/join halves", JoinHalves);
}

}  // namespace
}  // namespace dcac

int main(int argc, char** argv) {
  return dcac::RunBenchmarks(argc, argv, dcac::RegisterAll);
}
