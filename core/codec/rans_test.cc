#include "core/codec/rans.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "core/codec/set_model.h"

namespace dcac {
namespace {

// Symbols in waves under random tables, and what is needed to decode them.
struct Message {
  int table_bits = 10, lanes_log2 = 2;
  std::vector<RansContext> contexts;
  std::vector<uint8_t> state_bits;  // of each token
  std::vector<RansSymbol> symbols;
  std::vector<uint32_t> wave_sizes;

  Bytes Encode() const { return RansEncode(symbols, wave_sizes, contexts, table_bits, lanes_log2); }

  // The status of decoding; `matches` whether all symbols came back.
  absl::Status Decode(ByteSpan data, bool& matches) const {
    matches = true;
    RansDecoder decoder(contexts, state_bits, table_bits);
    if (absl::Status status = decoder.Begin(data, lanes_log2); !status.ok()) return status;
    size_t at = 0;
    for (uint32_t size : wave_sizes) {
      decoder.BeginWave();
      for (uint32_t i = 0; i < size; ++i, ++at) {
        uint32_t raw = 0;
        const RansDecoder::Slot slot = decoder.Decode(symbols[at].context, raw);
        if (slot.token != symbols[at].token || raw != symbols[at].state_raw) matches = false;
      }
    }
    return decoder.Finish();
  }
};

Message MakeMessage(std::mt19937_64& random, int table_bits, int lanes_log2, bool with_state_bits) {
  Message m;
  m.table_bits = table_bits;
  m.lanes_log2 = lanes_log2;
  const size_t tokens = 1 + random() % 256;
  for (size_t token = 0; token < tokens; ++token) {
    m.state_bits.push_back(with_state_bits ? static_cast<uint8_t>(random() % static_cast<uint64_t>(16 - table_bits))
                                           : 0);
  }
  for (size_t c = 0, count = 1 + random() % 5; c < count; ++c) {
    std::vector<uint32_t> weights(tokens, 0);
    for (uint32_t& weight : weights) weight = random() % 3 == 0 ? static_cast<uint32_t>(random() % 8000) : 0;
    weights[random() % tokens] = 1;
    if (random() % 4 == 0) {  // one token has all
      std::fill(weights.begin(), weights.end(), 0u);
      weights[random() % tokens] = 5;
    }
    m.contexts.push_back(MakeRansContext(NormalizeTable(weights, table_bits)));
  }
  for (size_t wave = 0, waves = random() % 60; wave < waves; ++wave) {
    const uint32_t size = static_cast<uint32_t>(random() % 150);
    for (uint32_t i = 0; i < size; ++i) {
      RansSymbol symbol;
      symbol.context = static_cast<uint8_t>(random() % m.contexts.size());
      const auto& frequency = m.contexts[symbol.context].frequency;
      do {
        symbol.token = static_cast<uint16_t>(random() % tokens);
      } while (frequency[symbol.token] == 0);
      symbol.state_bits = m.state_bits[symbol.token];
      symbol.state_raw = static_cast<uint16_t>(random() & ((1u << symbol.state_bits) - 1));
      m.symbols.push_back(symbol);
    }
    m.wave_sizes.push_back(size);
  }
  return m;
}

TEST(RansTest, RoundTripsOverLanesTableBitsAndStateBits) {
  std::mt19937_64 random(1);
  for (int lanes_log2 = 0; lanes_log2 <= kMaxLanesLog2; ++lanes_log2) {
    for (int table_bits = 10; table_bits <= 12; ++table_bits) {
      for (bool with_state_bits : {false, true}) {
        for (int round = 0; round < 6; ++round) {
          const Message m = MakeMessage(random, table_bits, lanes_log2, with_state_bits);
          bool matches = false;
          const absl::Status status = m.Decode(m.Encode(), matches);
          ASSERT_TRUE(status.ok()) << status << " lanes " << lanes_log2 << " bits " << table_bits;
          ASSERT_TRUE(matches);
        }
      }
    }
  }
}

TEST(RansTest, NoSymbolsAreTheStatesAlone) {
  Message m;
  m.contexts.push_back(MakeRansContext({1024}));
  m.state_bits = {0};
  for (m.lanes_log2 = 0; m.lanes_log2 <= kMaxLanesLog2; ++m.lanes_log2) {
    const Bytes data = m.Encode();
    EXPECT_EQ(data.size(), size_t{4} << m.lanes_log2);
    for (size_t i = 0; i < data.size(); i += 4) EXPECT_EQ(LoadLittleEndian(data.data() + i, 4), kRansLow);
    bool matches = false;
    EXPECT_TRUE(m.Decode(data, matches).ok());
  }
}

TEST(RansTest, RefusesMissingAndSurplusBytes) {
  std::mt19937_64 random(2);
  Message m;
  do {
    m = MakeMessage(random, 11, 2, false);
  } while (m.Encode().size() < 100);
  const Bytes data = m.Encode();
  bool matches = false;
  for (size_t size = 0; size < data.size(); ++size) {
    EXPECT_EQ(m.Decode(ByteSpan(data).first(size), matches).code(), absl::StatusCode::kDataLoss) << size;
  }
  for (size_t surplus = 1; surplus <= 4; ++surplus) {
    Bytes longer = data;
    longer.resize(data.size() + surplus);
    EXPECT_EQ(m.Decode(longer, matches).code(), absl::StatusCode::kDataLoss) << surplus;
  }
}

TEST(RansTest, RefusesStartStatesOutOfRange) {
  Message m;
  m.contexts.push_back(MakeRansContext({1024}));
  m.state_bits = {0};
  bool matches = false;
  for (uint64_t state : {uint64_t{0}, uint64_t{kRansLow} - 1, uint64_t{1} << 31, uint64_t{0xffffffff}}) {
    Bytes data = m.Encode();
    data.resize(data.size() - 4);
    AppendLittleEndian(state, 4, data);
    EXPECT_EQ(m.Decode(data, matches).code(), absl::StatusCode::kDataLoss) << state;
  }
}

// Without a checksum in front a flip may go unseen only if the symbols are
// still right.
TEST(RansTest, EveryBitFlipIsNoticed) {
  std::mt19937_64 random(3);
  for (int round = 0; round < 10; ++round) {
    const Message m = MakeMessage(random, 10 + round % 3, round % 3, round % 2 == 0);
    const Bytes data = m.Encode();
    for (size_t bit = 0; bit < 8 * std::min<size_t>(data.size(), 300); ++bit) {
      Bytes flipped = data;
      flipped[bit / 8] ^= static_cast<std::byte>(1 << (bit % 8));
      bool matches = false;
      const bool ok = m.Decode(flipped, matches).ok();
      ASSERT_FALSE(ok && matches) << "two codes of one message";
    }
  }
}

TEST(RansTest, AnyBytesDecodeWithoutHarm) {
  std::mt19937_64 random(4);
  for (int round = 0; round < 500; ++round) {
    const Message m = MakeMessage(random, 10 + static_cast<int>(random() % 3), static_cast<int>(random() % 7), true);
    Bytes data(2 * (random() % 400));
    for (std::byte& b : data) b = static_cast<std::byte>(random());
    for (size_t lane = 0; lane < size_t{1} << m.lanes_log2 && 4 * lane + 3 < data.size(); ++lane) {
      data[4 * lane + 1] |= std::byte{0x80};  // states in range
      data[4 * lane + 3] &= std::byte{0x7f};
    }
    bool matches = false;
    (void)m.Decode(data, matches);
  }
}

TEST(BitStreamTest, RoundTripsEveryWidth) {
  std::mt19937_64 random(5);
  std::vector<std::pair<int, uint64_t>> values;
  for (int i = 0; i < 3000; ++i) {
    const int bits = static_cast<int>(random() % 62);
    values.push_back({bits, random() & ((uint64_t{1} << bits) - 1)});
  }
  BitWriter writer;
  size_t total = 0;
  for (auto [bits, value] : values) {
    writer.Put(value, bits);
    total += static_cast<size_t>(bits);
  }
  const Bytes bytes = writer.Finish();
  EXPECT_EQ(bytes.size(), (total + 7) / 8);
  BitReader reader(bytes);
  for (auto [bits, value] : values) ASSERT_EQ(reader.Get(bits), value) << bits;
  EXPECT_TRUE(reader.Finish().ok());
}

TEST(BitStreamTest, FirstBitsAreTheLeastSignificant) {
  BitWriter writer;
  writer.Put(1, 1);
  writer.Put(0x2a, 7);
  writer.Put(3, 2);
  const Bytes bytes = writer.Finish();
  EXPECT_EQ(bytes, (Bytes{std::byte{0x55}, std::byte{3}}));
}

TEST(BitStreamTest, RefusesMissingBitsRestsAndSetPadding) {
  const Bytes bytes = {std::byte{0x05}, std::byte{0}};
  BitReader complete(ByteSpan(bytes).first(1));
  EXPECT_EQ(complete.Get(3), 5u);
  EXPECT_TRUE(complete.Finish().ok());
  BitReader padding(ByteSpan(bytes).first(1));
  padding.Get(2);
  EXPECT_EQ(padding.Finish().code(), absl::StatusCode::kDataLoss);
  BitReader rest(bytes);
  rest.Get(3);
  EXPECT_EQ(rest.Finish().code(), absl::StatusCode::kDataLoss);
  BitReader missing(ByteSpan(bytes).first(1));
  missing.Get(9);
  EXPECT_EQ(missing.Finish().code(), absl::StatusCode::kDataLoss);
}

}  // namespace
}  // namespace dcac
