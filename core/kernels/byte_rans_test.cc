// The coder of intervals on every target, and against the plain loops of byte_rans.h.
#include "core/kernels/byte_rans.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <random>
#include <vector>

#include "core/kernels/each_target.h"

namespace dcac {
namespace {

// Any intervals: disjoint ones in ascending order, some with holes between, with or without the mode and one of all
// residuals.
std::vector<Interval> RandomIntervals(std::mt19937_64& random) {
  std::vector<Interval> intervals;
  if (random() % 2 == 0) intervals.push_back({0, 0, 1, true});
  if (random() % 2 == 0) intervals.push_back({0, 8, 1, false});
  const bool has_others = intervals.size() < 2 || random() % 4 != 0;
  const size_t count = has_others ? std::max<size_t>(2, intervals.size() + 1 + random() % kMaxIntervals) : 2;
  for (int first = -128; first < 128 && intervals.size() < std::min(count, kMaxIntervals);) {
    int raw_bits = static_cast<int>(random() % (intervals.size() + 1 < count ? 5 : 9));
    while ((first + 128) % (1 << raw_bits) != 0) --raw_bits;
    if (random() % 4 != 0) {
      intervals.push_back({static_cast<uint8_t>(first), static_cast<uint8_t>(raw_bits), 1, false});
    }
    first += 1 << raw_bits;
  }
  if (intervals.empty() || (intervals.size() == 1 && intervals[0].is_mode)) intervals.push_back({0, 8, 1, false});
  if (intervals.size() == 1) intervals = {{128, 7, 1, false}, {0, 7, 1, false}};
  // A few have nearly all slots, or all have about as many.
  uint32_t left = kIntervalSlots - static_cast<uint32_t>(intervals.size());
  while (left > 0) {
    Interval& interval = intervals[random() % intervals.size()];
    const uint32_t more = std::min<uint32_t>(
        {left, kMaxIntervalFrequency - interval.frequency, 1 + static_cast<uint32_t>(random() % 255)});
    interval.frequency = static_cast<uint8_t>(interval.frequency + more);
    left -= more;
  }
  return intervals;
}

struct IntervalMessage {
  std::vector<std::vector<Interval>> contexts;
  std::vector<IntervalEntry> entries;
  std::vector<uint8_t> active;
  std::vector<uint16_t> symbols;  // in resting lanes of any entry
  std::vector<uint8_t> context, residual;
  std::vector<char> is_mode;

  std::vector<std::span<const Interval>> Spans() const { return {contexts.begin(), contexts.end()}; }
  std::unique_ptr<IntervalTables> Tables() const {
    auto tables = std::make_unique<IntervalTables>();
    tables->Build(Spans());
    return tables;
  }
  Bytes Encode() const {
    std::vector<std::byte> buffer(IntervalStreamBound(active.size()));
    const auto code = std::make_unique<IntervalCode>();
    std::memset(static_cast<void*>(code.get()), 0xff, sizeof(IntervalCode));  // what it was before does not matter
    code->Build(Spans());
    const auto stream = EncodeIntervalSteps(active, symbols.data(), *code, buffer);
    return {stream.begin(), stream.end()};
  }
};

IntervalMessage RandomIntervalMessage(std::mt19937_64& random, size_t steps) {
  IntervalMessage m;
  m.contexts.resize(1 + random() % kMaxIntervalContexts);
  for (size_t c = 0; c < m.contexts.size(); ++c) {
    m.contexts[c] = RandomIntervals(random);
  }
  m.entries.resize(NumIntervalEntries(m.contexts.size()));
  BuildIntervalEntries(m.Spans(), m.entries);
  const bool full = random() % 2 == 0;
  for (size_t step = 0; step < steps; ++step) {
    m.active.push_back(static_cast<uint8_t>(full ? kRansLanes : 1 + random() % kRansLanes));
    for (size_t lane = 0; lane < kRansLanes; ++lane) {
      const size_t c = random() % m.contexts.size();
      const Interval& interval = m.contexts[c][random() % m.contexts[c].size()];
      const size_t residual =
          interval.is_mode ? 0 : (interval.base + random() % (size_t{1} << interval.raw_bits)) & 255;
      m.context.push_back(static_cast<uint8_t>(c));
      m.residual.push_back(static_cast<uint8_t>(residual));
      m.is_mode.push_back(interval.is_mode);
      m.symbols.push_back(
          static_cast<uint16_t>(interval.is_mode ? ModeEntries(m.contexts.size()) + c : c * 256 + residual));
    }
  }
  return m;
}

Bytes EncodePlain(const IntervalMessage& m) {
  std::vector<std::byte> buffer(IntervalStreamBound(m.active.size()));
  ByteRansEncoder encoder(buffer);
  for (size_t step = m.active.size(); step-- > 0;) {
    EncodeIntervalsPlain(encoder, step % kRansBanks, m.entries.data(), m.symbols.data() + kRansLanes * step,
                         m.active[step]);
  }
  const auto stream = encoder.Finish();
  return {stream.begin(), stream.end()};
}

void ExpectDecodes(const IntervalMessage& m, const Bytes& stream) {
  std::vector<uint8_t> residual(m.residual.size());
  const auto is_mode = std::make_unique<bool[]>(m.residual.size());
  const absl::Status status =
      DecodeIntervalSteps(stream, *m.Tables(), m.active, m.context.data(), residual.data(), is_mode.get());
  ASSERT_TRUE(status.ok()) << status;
  for (size_t step = 0; step < m.active.size(); ++step) {
    for (size_t i = step * kRansLanes; i < step * kRansLanes + m.active[step]; ++i) {
      ASSERT_EQ(is_mode[i], m.is_mode[i] != 0) << i;
      if (is_mode[i]) continue;
      ASSERT_EQ(residual[i], m.residual[i]) << i;
    }
  }
}

TEST(ByteRans, AllTargetsWriteWhatThePlainLoopsWriteAndReadIt) {
  ForEachTarget([] {
    std::mt19937_64 random(1);
    for (int round = 0; round < 300; ++round) {
      const IntervalMessage m = RandomIntervalMessage(random, random() % 12);
      const Bytes stream = m.Encode();
      ASSERT_EQ(stream, EncodePlain(m)) << "round " << round;
      ExpectDecodes(m, stream);
      if (::testing::Test::HasFatalFailure()) return;
    }
  });
}

TEST(ByteRans, PlainLoopsDecode) {
  std::mt19937_64 random(2);
  const IntervalMessage m = RandomIntervalMessage(random, 20);
  const Bytes stream = m.Encode();
  ASSERT_TRUE(ForceTarget("").ok());
  IntervalTables tables;
  // What targets fill that look slots up.
  for (size_t c = 0; c < m.contexts.size(); ++c) {
    IntervalSlot* slot = tables.slots.data() + c * kIntervalSlots;
    for (const Interval& interval : m.contexts[c]) {
      for (uint8_t i = 0; i < interval.frequency; ++i) {
        *slot++ = {i, interval.frequency, interval.base,
                   static_cast<uint8_t>(interval.raw_bits | (interval.is_mode ? kModeFlag : 0))};
      }
    }
  }
  ByteRansDecoder decoder;
  ASSERT_TRUE(decoder.Begin(stream).ok());
  for (size_t step = 0; step < m.active.size(); ++step) {
    const size_t at = step * kRansLanes;
    std::array<uint8_t, kRansLanes> residuals;
    std::array<bool, kRansLanes> is_mode;
    DecodeIntervalsPlain(decoder, tables, m.context.data() + at, m.active[step], residuals.data(), is_mode.data());
    for (size_t i = 0; i < m.active[step]; ++i) {
      ASSERT_EQ(is_mode[i], m.is_mode[at + i] != 0);
      if (is_mode[i]) continue;
      ASSERT_EQ(residuals[i], m.residual[at + i]);
    }
  }
  EXPECT_TRUE(decoder.Finish().ok());
}

TEST(ByteRans, ReciprocalsDivideExactly) {
  for (uint32_t frequency = 1; frequency <= kMaxIntervalFrequency; ++frequency) {
    const IntervalEntry entry = EntryOf({7, 0, static_cast<uint8_t>(frequency), false}, 0);
    for (uint32_t x = 0; x <= UINT16_MAX; ++x) {
      const uint32_t quotient = x * entry.reciprocal >> 16, rest = x - quotient * frequency;
      ASSERT_EQ(quotient + (rest < frequency ? 0 : 1), x / frequency) << x << " / " << frequency;
    }
  }
}

TEST(ByteRans, StreamsThatAreCutOrChangedAreRefused) {
  ForEachTarget([] {
    std::mt19937_64 random(3);
    const IntervalMessage m = RandomIntervalMessage(random, 9);
    const Bytes stream = m.Encode();
    const auto tables = m.Tables();
    std::vector<uint8_t> residual(m.residual.size());
    const auto is_mode = std::make_unique<bool[]>(m.residual.size());
    const auto decode = [&](ByteSpan bytes) {
      return DecodeIntervalSteps(bytes, *tables, m.active, m.context.data(), residual.data(), is_mode.get());
    };
    ASSERT_TRUE(decode(stream).ok());
    for (size_t size = 0; size < stream.size(); ++size) {
      ASSERT_EQ(decode(ByteSpan(stream).first(size)).code(), absl::StatusCode::kDataLoss) << size;
    }
    Bytes longer = stream;
    longer.push_back(std::byte{0});
    EXPECT_EQ(decode(longer).code(), absl::StatusCode::kDataLoss);
    Bytes bad_state = stream;
    bad_state[1] = std::byte{0};
    EXPECT_EQ(decode(bad_state).code(), absl::StatusCode::kDataLoss);
  });
}

}  // namespace
}  // namespace dcac
