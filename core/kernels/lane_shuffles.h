// Byte shuffles that stand in for expand and compress instructions where a target has none.
#ifndef DCAC_CORE_KERNELS_LANE_SHUFFLES_H_
#define DCAC_CORE_KERNELS_LANE_SHUFFLES_H_

#include <array>
#include <cstddef>
#include <cstdint>

namespace dcac {

// [mask][lane of 8]: how many lanes below are in the mask, so that a lane in it finds its word.
inline constexpr auto kExpand8 = [] {
  std::array<std::array<uint8_t, 8>, 256> table{};
  for (size_t mask = 0; mask < 256; ++mask) {
    uint8_t rank = 0;
    for (size_t lane = 0; lane < 8; ++lane) {
      table[mask][lane] = rank;
      rank = static_cast<uint8_t>(rank + (mask >> lane & 1));
    }
  }
  return table;
}();

// A shuffle of 16 bytes, of which 0x80 selects zero.
using ByteShuffle = std::array<uint8_t, 16>;

// [mask]: the words of the lanes that are not in the mask, of eight, in ascending order at the upper end.
alignas(64) inline constexpr auto kPackUpOtherWords8 = [] {
  std::array<ByteShuffle, 256> table{};
  for (size_t mask = 0; mask < 256; ++mask) {
    table[mask].fill(0x80);
    size_t to = 16;
    for (size_t lane = 8; lane-- > 0;) {
      if ((mask >> lane & 1) != 0) continue;
      table[mask][--to] = static_cast<uint8_t>(2 * lane + 1);
      table[mask][--to] = static_cast<uint8_t>(2 * lane);
    }
  }
  return table;
}();

// [mask]: where elements of the mask, of eight of two bytes, find theirs among those that follow each other; zero
// elsewhere.
alignas(64) inline constexpr auto kExpandWords8 = [] {
  std::array<ByteShuffle, 256> table{};
  for (size_t mask = 0; mask < 256; ++mask) {
    for (size_t i = 0; i < 16; ++i) {
      const bool in_mask = (mask >> (i / 2) & 1) != 0;
      table[mask][i] = in_mask ? static_cast<uint8_t>(2 * kExpand8[mask][i / 2] + i % 2) : 0x80;
    }
  }
  return table;
}();

// [mask]: elements of the mask, of eight of one or of two bytes, one after the other.
inline constexpr auto kPackBytes8 = [] {
  std::array<std::array<uint8_t, 8>, 256> table{};
  for (size_t mask = 0; mask < 256; ++mask) {
    table[mask].fill(0x80);
    for (size_t i = 0; i < 8; ++i) {
      if ((mask >> i & 1) != 0) table[mask][kExpand8[mask][i]] = static_cast<uint8_t>(i);
    }
  }
  return table;
}();
alignas(64) inline constexpr auto kPackWords8 = [] {
  std::array<ByteShuffle, 256> table{};
  for (size_t mask = 0; mask < 256; ++mask) {
    for (size_t i = 0; i < 16; ++i) {
      const uint8_t from = kPackBytes8[mask][i / 2];
      table[mask][i] = from == 0x80 ? from : static_cast<uint8_t>(2 * from + i % 2);
    }
  }
  return table;
}();

// [mask]: of the lanes in the mask, of eight of two bytes, the lower bytes, in ascending order at the upper end of
// eight.
inline constexpr auto kPackUpEvenBytes8 = [] {
  std::array<std::array<uint8_t, 8>, 256> table{};
  for (size_t mask = 0; mask < 256; ++mask) {
    table[mask].fill(0x80);
    size_t to = 8;
    for (size_t lane = 8; lane-- > 0;) {
      if ((mask >> lane & 1) != 0) table[mask][--to] = static_cast<uint8_t>(2 * lane);
    }
  }
  return table;
}();

// As kExpand8 for 4 lanes, in bytes: 16-bit words to the lower halves of 32-bit lanes.
inline constexpr auto kExpandBytes4 = [] {
  std::array<ByteShuffle, 16> table{};
  for (size_t mask = 0; mask < 16; ++mask) {
    for (size_t lane = 0; lane < 4; ++lane) {
      const bool in_mask = (mask >> lane & 1) != 0;
      const uint8_t from = static_cast<uint8_t>(2 * kExpand8[mask][lane]);
      table[mask][4 * lane] = in_mask ? from : 0x80;
      table[mask][4 * lane + 1] = in_mask ? static_cast<uint8_t>(from + 1) : 0x80;
      table[mask][4 * lane + 2] = table[mask][4 * lane + 3] = 0x80;
    }
  }
  return table;
}();

// Likewise for 8 lanes, each four of which have all words at hand.
alignas(64) inline constexpr auto kExpandBytes8To32 = [] {
  std::array<std::array<uint8_t, 32>, 256> table{};
  for (size_t mask = 0; mask < 256; ++mask) {
    table[mask].fill(0x80);
    for (size_t lane = 0; lane < 8; ++lane) {
      if ((mask >> lane & 1) == 0) continue;
      table[mask][4 * lane] = static_cast<uint8_t>(2 * kExpand8[mask][lane]);
      table[mask][4 * lane + 1] = static_cast<uint8_t>(2 * kExpand8[mask][lane] + 1);
    }
  }
  return table;
}();

// [mask]: of the lanes in the mask, of four of 32 bits, the lower halves go to the upper end of four 16-bit words.
inline constexpr auto kPackUpBytes4 = [] {
  std::array<ByteShuffle, 16> table{};
  for (size_t mask = 0; mask < 16; ++mask) {
    size_t to = 8;
    for (size_t lane = 4; lane-- > 0;) {
      if ((mask >> lane & 1) == 0) continue;
      table[mask][--to] = static_cast<uint8_t>(4 * lane + 1);
      table[mask][--to] = static_cast<uint8_t>(4 * lane);
    }
  }
  return table;
}();

}  // namespace dcac

#endif  // DCAC_CORE_KERNELS_LANE_SHUFFLES_H_
