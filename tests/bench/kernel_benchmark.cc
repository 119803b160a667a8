// Speed of the kernels alone and of whole tensors, on every SIMD target of this CPU, next to the plain loops that
// specify kernels and to memcpy.  One thread; items are symbols or products.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "core/kernels/dot.h"
#include "core/kernels/lane_rans.h"
#include "dcac/codec.h"
#include "tests/bench/target_benchmark.h"
#include "tests/testing/tensors.h"

namespace dcac {
namespace {

constexpr std::size_t kSteps = 2048;
constexpr int kTableBits = 10;
constexpr std::size_t kTokens = 24;

// Steps of tokens as residuals of planes are: geometric, with raw bits behind the larger ones.
struct LaneMessage {
  std::vector<std::uint16_t> frequencies, payloads;
  std::vector<SlotRange> ranges;
  std::vector<std::uint8_t> raw_bits_of_token;
  std::vector<std::uint32_t> slots;
  std::vector<std::uint64_t> entries;
  std::vector<std::uint8_t> active, contexts, raw;
  std::vector<std::uint16_t> symbols;
  std::vector<std::byte> stream;

  explicit LaneMessage(std::size_t num_contexts);

  std::size_t num_symbols() const { return symbols.size(); }
  LaneSteps Steps() const { return {active, symbols.data(), raw.data(), {}}; }
  std::size_t Bound() const { return LaneStreamBound(kSteps); }
};

// Frequencies that halve every two tokens, of sum 2^kTableBits.
std::vector<std::uint16_t> GeometricFrequencies() {
  std::vector<std::uint16_t> frequencies;
  std::uint32_t left = 1u << kTableBits;
  for (std::size_t token = 0; token < kTokens; ++token) {
    const std::uint32_t rest = static_cast<std::uint32_t>(kTokens - token - 1);
    const std::uint32_t frequency = rest == 0 ? left : std::clamp(left / 4, 1u, left - rest);
    frequencies.push_back(static_cast<std::uint16_t>(frequency));
    left -= frequency;
  }
  return frequencies;
}

LaneMessage::LaneMessage(std::size_t num_contexts)
    : frequencies(GeometricFrequencies()), ranges(PlaceTokens(frequencies, kTableBits)) {
  constexpr std::size_t kFirstWithRaw = 13;
  std::mt19937_64 random(1);
  for (std::size_t token = 0; token < kTokens; ++token) {
    const std::uint32_t bits = token < kFirstWithRaw ? 0 : std::min<std::uint32_t>(4, 1 + (token - kFirstWithRaw) / 2);
    raw_bits_of_token.push_back(static_cast<std::uint8_t>(bits));
    payloads.push_back(ResidualPayload(static_cast<std::uint8_t>(token), bits));
  }
  slots.resize(num_contexts << SlotStrideBits(kTableBits));
  entries.resize(num_contexts * kTokens);
  for (std::size_t context = 0; context < num_contexts; ++context) {
    BuildSlots(ranges, LaneRaw::kInState, kTableBits, payloads, &slots[context << SlotStrideBits(kTableBits)]);
    BuildEncodeEntries(ranges, raw_bits_of_token, kTableBits, &entries[context * kTokens]);
  }
  active.assign(kSteps, kRansLanes);
  std::discrete_distribution<std::size_t> token_of(frequencies.begin(), frequencies.end());
  for (std::size_t i = 0; i < kSteps * kRansLanes; ++i) {
    const std::size_t context = random() % num_contexts, token = token_of(random);
    contexts.push_back(static_cast<std::uint8_t>(context));
    symbols.push_back(static_cast<std::uint16_t>(context * kTokens + token));
    raw.push_back(static_cast<std::uint8_t>(random() & ((1u << raw_bits_of_token[token]) - 1)));
  }
  std::vector<std::byte> buffer(Bound());
  const auto encoded = EncodeLaneSteps(Steps(), entries.data(), kTableBits, buffer);
  stream.assign(encoded.begin(), encoded.end());
}

void EncodePlain(const LaneMessage& m, std::span<std::byte> buffer) {
  LaneRansEncoder encoder(buffer);
  for (std::size_t step = kSteps; step-- > 0;) {
    const std::size_t at = kRansLanes * step;
    EncodeSymbolsPlain<LaneRaw::kInState>(encoder, m.entries.data(), kTableBits, &m.symbols[at], &m.raw[at],
                                          kRansLanes);
  }
  benchmark::DoNotOptimize(encoder.Finish());
}

absl::Status DecodePlain(const LaneMessage& m, std::uint32_t* found, std::uint32_t* raw) {
  LaneRansDecoder decoder;
  absl::Status status = decoder.Begin(m.stream);
  if (!status.ok()) return status;
  for (std::size_t step = 0; step < kSteps; ++step) {
    const std::size_t at = kRansLanes * step;
    LookUpSlotsPlain(decoder, m.slots.data(), kTableBits, &m.contexts[at], kRansLanes, found + at);
    TakeSymbolsPlain<LaneRaw::kInState>(decoder, kTableBits, found + at, kRansLanes, raw + at);
  }
  return decoder.Finish();
}

void EncodeLanes(benchmark::State& state, const LaneMessage& m, bool plain) {
  std::vector<std::byte> buffer(m.Bound());
  for (auto _ : state) {
    if (plain) {
      EncodePlain(m, buffer);
    } else {
      benchmark::DoNotOptimize(EncodeLaneSteps(m.Steps(), m.entries.data(), kTableBits, buffer));
    }
    benchmark::ClobberMemory();
  }
  if (!std::equal(m.stream.rbegin(), m.stream.rend(), buffer.rbegin())) return state.SkipWithError("other bytes");
  state.SetItemsProcessed(static_cast<std::int64_t>(m.num_symbols()) * state.iterations());
}

void DecodeLanes(benchmark::State& state, const LaneMessage& m, bool plain) {
  std::vector<std::uint32_t> found(m.num_symbols()), raw(m.num_symbols());
  absl::Status status;
  for (auto _ : state) {
    status = plain ? DecodePlain(m, found.data(), raw.data())
                   : DecodeLaneSteps(m.stream, m.slots.data(), kTableBits,
                                     {m.active, m.contexts.data(), found.data(), raw.data(), {}});
    benchmark::ClobberMemory();
  }
  if (!status.ok()) return state.SkipWithError("failed");
  for (std::size_t i = 0; i < m.num_symbols(); ++i) {
    if (SlotPayload<LaneRaw::kInState>(found[i]) != m.payloads[m.symbols[i] % kTokens] || raw[i] != m.raw[i])
      return state.SkipWithError("other symbols");
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(m.num_symbols()) * state.iterations());
}

void BuildTables(benchmark::State& state, const LaneMessage& m) {
  std::vector<std::uint32_t> slots(1u << SlotStrideBits(kTableBits));
  for (auto _ : state) {
    BuildSlots(PlaceTokens(m.frequencies, kTableBits), LaneRaw::kInState, kTableBits, m.payloads, slots.data());
    benchmark::ClobberMemory();
  }
  state.SetItemsProcessed(state.iterations());
}

void MultiplyRows(benchmark::State& state) {
  constexpr std::size_t kRows = 64, kColumns = 1024;
  std::vector<float> rows, products(kRows);
  for (std::size_t i = 0; i < kRows * kColumns; ++i) rows.push_back(static_cast<float>(i % 97) - 48);
  for (auto _ : state) {
    DotWithRows(rows.data(), rows.data(), kColumns, kRows, kColumns, products.data());
    benchmark::ClobberMemory();
  }
  if (products.back() != Dot(rows.data(), rows.data() + (kRows - 1) * kColumns, kColumns)) {
    return state.SkipWithError("other products");
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(kRows * kColumns) * state.iterations());
}

// A tensor at a level: all of its kernels together.
struct Coding {
  Tensor tensor;
  EncodeOptions options;
};

void CompressTensor(benchmark::State& state, const Coding& coding) {
  absl::StatusOr<std::vector<std::byte>> frame;
  for (auto _ : state) {
    frame = Compress(coding.tensor.spec, coding.tensor.data, coding.options);
    benchmark::ClobberMemory();
  }
  if (!frame.ok()) return state.SkipWithError("failed");
  const auto restored = Decompress(*frame);
  if (!restored.ok() || restored->data != coding.tensor.data) return state.SkipWithError("restored other samples");
  state.SetBytesProcessed(static_cast<std::int64_t>(coding.tensor.data.size()) * state.iterations());
}

void DecompressTensor(benchmark::State& state, const Coding& coding) {
  const auto frame = Compress(coding.tensor.spec, coding.tensor.data, coding.options);
  if (!frame.ok()) return state.SkipWithError("failed");
  absl::StatusOr<Tensor> restored;
  for (auto _ : state) {
    restored = Decompress(*frame);
    benchmark::ClobberMemory();
  }
  if (!restored.ok() || restored->data != coding.tensor.data) return state.SkipWithError("restored other samples");
  state.SetBytesProcessed(static_cast<std::int64_t>(coding.tensor.data.size()) * state.iterations());
}

void RegisterTensors() {
  testing::Random random(1);
  for (DType dtype : {DType::kU8, DType::kBF16, DType::kF32}) {
    const TensorSpec spec{.dtype = dtype, .shape = {1, 64, 56, 56}};
    const std::vector<std::byte> data = testing::MakeData(random, spec, testing::Content::kReluLike);
    for (int level : {1, 3, 5, 9}) {
      const Coding coding{{spec, data}, {.level = level}};
      const std::string name = "level " + std::to_string(level) + ", " + std::string(DTypeName(dtype));
      RegisterForTargets(name + "/compress", [coding](benchmark::State& state) { CompressTensor(state, coding); });
      RegisterForTargets(name + "/decompress", [coding](benchmark::State& state) { DecompressTensor(state, coding); });
    }
  }
}

void Copy(benchmark::State& state) {
  const std::vector<std::byte> from(kSteps * kRansLanes, std::byte{1});
  std::vector<std::byte> to(from.size());
  for (auto _ : state) {
    std::memcpy(to.data(), from.data(), from.size());
    benchmark::ClobberMemory();
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(from.size()) * state.iterations());
}

void RegisterAll() {
  static const LaneMessage few(16), many(64);
  for (const auto& [name, message] : {std::pair("16 contexts", &few), std::pair("64 contexts", &many)}) {
    const std::string suffix = std::string(", ") + name;
    RegisterWithPlain("lane_rans/encode" + suffix,
                      [m = message](benchmark::State& state, bool plain) { EncodeLanes(state, *m, plain); });
    RegisterWithPlain("lane_rans/decode" + suffix,
                      [m = message](benchmark::State& state, bool plain) { DecodeLanes(state, *m, plain); });
  }
  benchmark::RegisterBenchmark("lane_rans/build slots of a context",
                               [](benchmark::State& state) { BuildTables(state, few); });
  RegisterForTargets("dot/with rows", MultiplyRows);
  RegisterTensors();
  benchmark::RegisterBenchmark("memcpy", Copy);
}

}  // namespace
}  // namespace dcac

int main(int argc, char** argv) {
  return dcac::RunBenchmarks(argc, argv, dcac::RegisterAll);
}
