#include "core/kernels/lane_rans.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "core/kernels/target.h"

namespace dcac {
namespace {

// Frequencies of sum 2^table_bits, none of them all of it.
std::vector<uint16_t> RandomFrequencies(std::mt19937_64& random, size_t num_symbols, int table_bits) {
  const uint32_t total = 1u << table_bits;
  std::vector<uint16_t> frequencies(num_symbols, 0);
  if (random() % 3 == 0) {  // the extremes
    const size_t rare = random() % num_symbols;
    frequencies[rare] = 1;
    frequencies[(rare + 1 + random() % (num_symbols - 1)) % num_symbols] = static_cast<uint16_t>(total - 1);
    return frequencies;
  }
  const size_t used = 2 + random() % (num_symbols - 1);
  for (size_t i = 0; i < used; ++i) frequencies[i] = 1;
  for (size_t left = total - used; left > 0;) {
    const size_t part = 1 + random() % left;
    frequencies[random() % used] += static_cast<uint16_t>(part);
    left -= part;
  }
  std::shuffle(frequencies.begin(), frequencies.end(), random);
  return frequencies;
}

int RandomTableBits(std::mt19937_64& random) {
  return kMinLaneTableBits + static_cast<int>(random() % (kMaxLaneTableBits - kMinLaneTableBits + 1));
}

// Of tables whose symbols have raw bits in the state, or not.
int RandomTableBits(std::mt19937_64& random, LaneRaw raw) {
  return raw == LaneRaw::kInState ? SlotFieldBits(raw) : RandomTableBits(random);
}

// Steps of random symbols, and tables for them.
struct Message {
  int table_bits;
  size_t num_symbols;
  bool with_raw;
  size_t num_stages;
  std::vector<uint64_t> encode_entries;
  std::vector<uint32_t> slots;
  std::vector<uint8_t> active, contexts, raw;
  std::vector<uint16_t> symbols, payloads;
  struct Stage {
    std::vector<uint16_t> raw;
    std::vector<uint8_t> num_bits;
    std::vector<uint32_t> wide_num_bits;
  };
  std::vector<Stage> stages;

  size_t num_steps() const { return active.size(); }
  LaneRaw lane_raw() const { return with_raw ? LaneRaw::kInState : LaneRaw::kNone; }

  Bytes Encode() const {
    std::vector<LaneRawStage> views;
    for (const Stage& stage : stages) views.push_back({stage.raw.data(), stage.num_bits.data()});
    Bytes buffer(LaneStreamBound(num_steps() * (1 + num_stages)));
    const auto stream = EncodeLaneSteps({active, symbols.data(), with_raw ? raw.data() : nullptr, views},
                                        encode_entries.data(), table_bits, buffer);
    return Bytes(stream.begin(), stream.end());
  }
};

void AddTables(std::mt19937_64& random, size_t num_contexts, Message& m, std::vector<std::vector<uint16_t>>& tables) {
  std::vector<uint8_t> raw_bits(m.num_symbols, 0);
  for (size_t s = 0; s < m.num_symbols; ++s) {
    if (m.with_raw) raw_bits[s] = static_cast<uint8_t>(random() % static_cast<uint64_t>(16 - m.table_bits));
    m.payloads.push_back(ResidualPayload(static_cast<uint8_t>(s), raw_bits[s]));
  }
  m.slots.resize(num_contexts << SlotStrideBits(m.table_bits));
  m.encode_entries.resize(num_contexts * m.num_symbols);
  for (size_t c = 0; c < num_contexts; ++c) {
    tables.push_back(RandomFrequencies(random, m.num_symbols, m.table_bits));
    const std::vector<SlotRange> ranges = PlaceTokens(tables[c], m.table_bits);
    BuildSlots(ranges, m.lane_raw(), m.table_bits, m.payloads, &m.slots[c << SlotStrideBits(m.table_bits)]);
    BuildEncodeEntries(ranges, raw_bits, m.table_bits, &m.encode_entries[c * m.num_symbols]);
  }
}

Message MakeMessage(std::mt19937_64& random, size_t num_symbols, bool with_raw, size_t num_stages) {
  Message m{.table_bits = RandomTableBits(random, with_raw ? LaneRaw::kInState : LaneRaw::kNone),
            .num_symbols = num_symbols,
            .with_raw = with_raw,
            .num_stages = num_stages};
  const size_t num_contexts = 1 + random() % 20;
  std::vector<std::vector<uint16_t>> tables;
  AddTables(random, num_contexts, m, tables);
  m.stages.resize(num_stages);
  for (size_t step = 0, steps = random() % 40; step < steps; ++step) {
    m.active.push_back(random() % 3 == 0 ? static_cast<uint8_t>(1 + random() % 64) : 64);
    for (size_t lane = 0; lane < kRansLanes; ++lane) {
      const size_t context = random() % num_contexts;
      size_t symbol = 0;
      do {
        symbol = random() % num_symbols;
      } while (tables[context][symbol] == 0);
      const uint32_t raw_bits = with_raw ? m.payloads[symbol] >> 9 : 0;
      m.contexts.push_back(static_cast<uint8_t>(context));
      m.symbols.push_back(static_cast<uint16_t>(context * num_symbols + symbol));
      m.raw.push_back(static_cast<uint8_t>(random() & ((1u << raw_bits) - 1)));
      for (Message::Stage& stage : m.stages) {
        const uint8_t bits = static_cast<uint8_t>(random() % (kMaxRawBits + 1));
        stage.num_bits.push_back(bits);
        stage.wide_num_bits.push_back(bits);
        stage.raw.push_back(static_cast<uint16_t>(random() & ((1u << bits) - 1)));
      }
    }
  }
  return m;
}

Bytes EncodePlain(const Message& m) {
  Bytes buffer(LaneStreamBound(m.num_steps() * (1 + m.num_stages)));
  LaneRansEncoder encoder(buffer);
  for (size_t step = m.num_steps(); step-- > 0;) {
    const size_t at = kRansLanes * step, active = m.active[step];
    for (size_t s = m.num_stages; s-- > 0;) {
      EncodeRawPlain(encoder, m.stages[s].raw.data() + at, m.stages[s].num_bits.data() + at, active);
    }
    const auto encode = m.with_raw ? EncodeSymbolsPlain<LaneRaw::kInState> : EncodeSymbolsPlain<LaneRaw::kNone>;
    encode(encoder, m.encode_entries.data(), m.table_bits, m.symbols.data() + at, m.raw.data() + at, active);
  }
  const size_t begin = static_cast<size_t>(encoder.Finish() - buffer.data());
  return Bytes(buffer.begin() + static_cast<ptrdiff_t>(begin), buffer.end());
}

// What a decoder found, and the status of it.
struct Decoded {
  std::vector<uint32_t> entries, raw;
  std::vector<std::vector<uint32_t>> stages;
  absl::Status status;

  explicit Decoded(const Message& m)
      : entries(m.symbols.size()), raw(m.symbols.size()), stages(m.num_stages, entries) {}
};

Decoded DecodePlain(const Message& m, ByteSpan stream) {
  Decoded found(m);
  LaneRansDecoder decoder;
  found.status = decoder.Begin(stream);
  if (!found.status.ok()) return found;
  for (size_t step = 0; step < m.num_steps(); ++step) {
    const size_t at = kRansLanes * step, active = m.active[step];
    LookUpSlotsPlain(decoder, m.slots.data(), m.table_bits, m.contexts.data() + at, active, found.entries.data() + at);
    const auto take = m.with_raw ? TakeSymbolsPlain<LaneRaw::kInState> : TakeSymbolsPlain<LaneRaw::kNone>;
    take(decoder, m.table_bits, found.entries.data() + at, active, found.raw.data() + at);
    for (size_t s = 0; s < m.num_stages; ++s) {
      DecodeRawPlain(decoder, m.stages[s].wide_num_bits.data() + at, active, found.stages[s].data() + at);
    }
  }
  found.status = decoder.Finish();
  return found;
}

Decoded Decode(const Message& m, ByteSpan stream) {
  Decoded found(m);
  std::vector<LaneDecodedSteps::RawStage> views;
  for (size_t s = 0; s < m.num_stages; ++s) {
    views.push_back({m.stages[s].wide_num_bits.data(), found.stages[s].data()});
  }
  found.status = DecodeLaneSteps(
      stream, m.slots.data(), m.table_bits,
      {m.active, m.contexts.data(), found.entries.data(), m.with_raw ? found.raw.data() : nullptr, views});
  return found;
}

// That all active lanes found what was encoded.
void ExpectMatches(const Message& m, const Decoded& found) {
  ASSERT_TRUE(found.status.ok()) << found.status;
  for (size_t at = 0; at < m.symbols.size(); ++at) {
    if (at % kRansLanes >= m.active[at / kRansLanes]) continue;
    const uint32_t entry = found.entries[at];
    ASSERT_EQ(m.with_raw ? SlotPayload<LaneRaw::kInState>(entry) : SlotPayload<LaneRaw::kNone>(entry),
              m.payloads[m.symbols[at] % m.num_symbols])
        << at;
    if (m.with_raw) {
      ASSERT_EQ(found.raw[at], m.raw[at]) << at;
    }
    for (size_t s = 0; s < m.num_stages; ++s) ASSERT_EQ(found.stages[s][at], m.stages[s].raw[at]) << at;
  }
}

class LaneRansTest : public ::testing::TestWithParam<std::string_view> {
 protected:
  void SetUp() override { ASSERT_TRUE(ForceTarget(GetParam()).ok()); }
  void TearDown() override { ForceTarget(first_).IgnoreError(); }

 private:
  std::string_view first_ = ActiveTarget();
};

INSTANTIATE_TEST_SUITE_P(Targets, LaneRansTest, ::testing::ValuesIn(SupportedTargets()),
                         [](const auto& target) { return std::string(target.param); });

TEST_P(LaneRansTest, WritesAndReadsWhatThePlainLoopsDo) {
  std::mt19937_64 random(1);
  for (int round = 0; round < 300; ++round) {
    const bool with_raw = round % 2 == 0;
    const Message m =
        MakeMessage(random, 2 + random() % (kMaxLaneTokens - 1), with_raw, static_cast<size_t>(round) % 3);
    const Bytes stream = m.Encode();
    ASSERT_EQ(stream, EncodePlain(m)) << round;
    ASSERT_NO_FATAL_FAILURE(ExpectMatches(m, DecodePlain(m, stream))) << round;
    ASSERT_NO_FATAL_FAILURE(ExpectMatches(m, Decode(m, stream))) << round;
  }
}

TEST_P(LaneRansTest, DecodesAtAnyAlignment) {
  std::mt19937_64 random(2);
  const Message m = MakeMessage(random, 30, true, 1);
  const Bytes stream = m.Encode();
  for (size_t offset = 0; offset < 4; ++offset) {
    Bytes shifted(offset);
    AppendBytes(stream, shifted);
    ASSERT_NO_FATAL_FAILURE(ExpectMatches(m, Decode(m, ByteSpan(shifted).subspan(offset)))) << offset;
  }
}

TEST_P(LaneRansTest, RefusesMissingAndSurplusBytes) {
  std::mt19937_64 random(3);
  for (int round = 0; round < 8; ++round) {
    const Message m = MakeMessage(random, 20, round % 2 == 0, static_cast<size_t>(round) % 2);
    const Bytes stream = m.Encode();
    for (size_t size = 0; size < stream.size(); size += 1 + size / 500) {
      const Bytes cut(stream.begin(), stream.begin() + static_cast<ptrdiff_t>(size));  // its own memory, for sanitizers
      ASSERT_EQ(Decode(m, cut).status.code(), absl::StatusCode::kDataLoss) << size;
    }
    for (size_t surplus : {size_t{1}, size_t{2}, size_t{127}, size_t{128}, size_t{1000}}) {
      Bytes longer = stream;
      longer.insert(longer.end(), surplus, std::byte{0});
      ASSERT_EQ(Decode(m, longer).status.code(), absl::StatusCode::kDataLoss) << surplus;
    }
  }
}

TEST_P(LaneRansTest, AnyBytesDecodeAsThePlainLoopsDo) {
  std::mt19937_64 random(4);
  for (int round = 0; round < 200; ++round) {
    const Message m = MakeMessage(random, 40, round % 2 == 0, static_cast<size_t>(round) % 3);
    Bytes stream(kLaneStateBytes + 2 * (random() % 4000));
    for (std::byte& b : stream) b = static_cast<std::byte>(random());
    for (size_t lane = 0; lane < kRansLanes; ++lane) {
      stream[4 * lane + 1] |= std::byte{0x80};  // states in range
      stream[4 * lane + 3] &= std::byte{0x7f};
    }
    const Decoded found = Decode(m, stream), plain = DecodePlain(m, stream);
    EXPECT_EQ(found.status.code(), plain.status.code());
  }
}

template <LaneRaw kRaw>
void ExpectSlotsFindTokens(std::mt19937_64& random) {
  const int table_bits = RandomTableBits(random, kRaw);
  const uint32_t total = 1u << table_bits, payload_end = 1u << (32 - 2 * SlotFieldBits(kRaw));
  const std::vector<uint16_t> frequencies = RandomFrequencies(random, 2 + random() % (kMaxLaneTokens - 1), table_bits);
  std::vector<uint16_t> payloads;
  for (size_t s = 0; s < frequencies.size(); ++s) payloads.push_back(static_cast<uint16_t>(random() % payload_end));
  std::vector<uint32_t> slots(size_t{1} << SlotStrideBits(table_bits));
  const std::vector<SlotRange> ranges = PlaceTokens(frequencies, table_bits);
  BuildSlots(ranges, kRaw, table_bits, payloads, slots.data());
  for (const SlotRange& range : ranges) {
    for (uint32_t slot = range.start; slot < uint32_t{range.start} + range.frequency; ++slot) {
      const uint32_t entry = slots[SlotIndex(slot, table_bits)];
      ASSERT_EQ(SlotStart<kRaw>(entry), range.start);
      ASSERT_EQ(SlotComplement<kRaw>(entry), total - range.frequency);
      ASSERT_EQ(SlotPayload<kRaw>(entry), payloads[range.token]);
    }
  }
}

TEST_P(LaneRansTest, EverySlotFindsItsToken) {
  std::mt19937_64 random(5);
  for (int round = 0; round < 100; ++round) {
    ASSERT_NO_FATAL_FAILURE(ExpectSlotsFindTokens<LaneRaw::kNone>(random));
    ASSERT_NO_FATAL_FAILURE(ExpectSlotsFindTokens<LaneRaw::kInState>(random));
  }
}

// That ranges are as they are to be, for whatever frequencies.
void ExpectPlaced(const std::vector<uint16_t>& frequencies, int table_bits) {
  const uint32_t total = 1u << table_bits;
  std::vector<uint32_t> placed(frequencies.size(), 0);
  uint32_t start = 0;
  for (const SlotRange& range : PlaceTokens(frequencies, table_bits)) {
    ASSERT_EQ(range.start, start);
    ASSERT_GT(range.frequency, 0);
    ASSERT_LT(range.frequency, total);
    if (start < FirstSingleSlot(table_bits)) {
      ASSERT_EQ(start % 8, 0u);
    }
    ASSERT_EQ(placed[range.token], 0u);
    placed[range.token] = range.frequency;
    start += range.frequency;
  }
  ASSERT_EQ(start, total);
  for (size_t token = 0; token < frequencies.size(); ++token) ASSERT_EQ(placed[token] == 0, frequencies[token] == 0);
}

TEST(LaneRansSlotsTest, TokensHaveThePlacesThatEntriesAreSharedBy) {
  std::mt19937_64 random(7);
  for (int round = 0; round < 2000; ++round) {
    const int table_bits = RandomTableBits(random);
    ASSERT_NO_FATAL_FAILURE(
        ExpectPlaced(RandomFrequencies(random, 2 + random() % (kMaxLaneTokens - 1), table_bits), table_bits))
        << round;
  }
}

TEST(LaneRansSlotsTest, ManyEqualTokensFindPlaces) {
  for (int table_bits = kMinLaneTableBits; table_bits <= kMaxLaneTableBits; ++table_bits) {
    for (uint16_t frequency = 1; frequency <= 40; ++frequency) {
      for (size_t count = 1; count < kMaxLaneTokens; ++count) {
        const size_t rest = (size_t{1} << table_bits) - count * frequency;
        if (count * frequency >= size_t{1} << table_bits) break;
        std::vector<uint16_t> frequencies(count, frequency);
        frequencies.insert(frequencies.begin() + static_cast<ptrdiff_t>(count / 2), static_cast<uint16_t>(rest));
        ASSERT_NO_FATAL_FAILURE(ExpectPlaced(frequencies, table_bits)) << count << " of " << frequency;
      }
    }
  }
}

TEST(LaneRansSlotsTest, FrequenciesStayNearlyWhatTheyAre) {
  // 80 slots hold the tokens of up to 30 as they are, and 200 and 300 are multiples of 8.
  const std::vector<uint16_t> frequencies = {30, 200, 1, 444, 20, 300, 29};
  std::vector<uint16_t> placed(frequencies.size());
  for (const SlotRange& range : PlaceTokens(frequencies, 10)) placed[range.token] = range.frequency;
  EXPECT_EQ(placed, (std::vector<uint16_t>{30, 200, 1, 440, 20, 304, 29}));
}

TEST(LaneRansStreamTest, RefusesStatesOutOfRange) {
  for (uint32_t state : {uint32_t{0}, kLaneStateLow - 1, 1u << 31, 0xffffffffu}) {
    Bytes stream;
    for (size_t lane = 0; lane < kRansLanes; ++lane) {
      AppendLittleEndian(lane == 63 ? state : kLaneStateLow, 4, stream);
    }
    LaneRansDecoder decoder;
    EXPECT_EQ(decoder.Begin(stream).code(), absl::StatusCode::kDataLoss) << state;
  }
}

TEST(LaneRansStreamTest, NoStepsAreTheStatesAlone) {
  Bytes buffer(LaneStreamBound(0));
  LaneRansEncoder encoder(buffer);
  EXPECT_EQ(encoder.Finish(), buffer.data());
  for (size_t lane = 0; lane < kRansLanes; ++lane) EXPECT_EQ(LoadLittleEndian(&buffer[4 * lane], 4), kLaneStateLow);
  LaneRansDecoder decoder;
  ASSERT_TRUE(decoder.Begin(buffer).ok());
  EXPECT_TRUE(decoder.Finish().ok());
}

// Encodes all symbols of all tables with every state that can be near a bound, so that no quotient is off by one.
TEST(LaneRansStreamTest, QuotientsAreExact) {
  std::mt19937_64 random(6);
  for (int table_bits = kMinLaneTableBits; table_bits <= kMaxLaneTableBits; ++table_bits) {
    for (uint32_t frequency = 1; frequency < 1u << table_bits; ++frequency) {
      const uint32_t start = static_cast<uint32_t>(random() % ((1u << table_bits) - frequency + 1));
      const uint64_t entry = LaneEncodeEntry(frequency, start, 0, table_bits);
      const uint32_t bound = frequency << (31 - table_bits);
      for (int round = 0; round < 20; ++round) {
        const uint32_t multiple = static_cast<uint32_t>(random() % (bound / frequency)) * frequency;
        for (uint32_t x : {multiple, multiple + frequency - 1, bound - 1, static_cast<uint32_t>(random() % bound)}) {
          if (x < kLaneStateLow) continue;
          Bytes buffer(LaneStreamBound(1));
          LaneRansEncoder encoder(buffer);
          encoder.state[0] = x;
          const uint16_t symbol = 0;
          EncodeSymbolsPlain<LaneRaw::kNone>(encoder, &entry, table_bits, &symbol, nullptr, 1);
          ASSERT_EQ(encoder.state[0], ((x / frequency) << table_bits) + start + x % frequency) << frequency;
        }
      }
    }
  }
}

}  // namespace
}  // namespace dcac
