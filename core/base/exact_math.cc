#include "core/base/exact_math.h"

#include <array>
#include <bit>
#include <vector>

namespace dcac {
namespace {

constexpr int kTableBits = 11;

// log2(1 + i / 2^kTableBits) by repeated squaring in integers: bit k of the fraction is set when the k-th square
// passes 2.
std::array<double, (1 << kTableBits) + 1> BuildMantissaTable() {
  std::array<double, (1 << kTableBits) + 1> table{};
  for (int i = 0; i < (1 << kTableBits); ++i) {
    uint64_t x = (uint64_t{1} << 31) + (static_cast<uint64_t>(i) << (31 - kTableBits));  // Q31 in [1, 2)
    uint64_t fraction = 0;
    for (int bit = 0; bit < 30; ++bit) {
      x = (x * x) >> 31;
      fraction <<= 1;
      if (x >= (uint64_t{1} << 32)) {
        x >>= 1;
        fraction |= 1;
      }
    }
    table[static_cast<size_t>(i)] = static_cast<double>(fraction) / static_cast<double>(uint64_t{1} << 30);
  }
  table[1 << kTableBits] = 1.0;
  return table;
}

constexpr size_t kCountTableSize = 1 << 12;

std::vector<double> BuildCountTable() {
  std::vector<double> table(kCountTableSize, 0.0);
  for (size_t i = 1; i < kCountTableSize; ++i) table[i] = static_cast<double>(i) * Log2(static_cast<double>(i));
  return table;
}

}  // namespace

double Log2(double x) {
  static const auto table = BuildMantissaTable();
  if (!(x > 0)) return 0;
  const uint64_t bits = std::bit_cast<uint64_t>(x);
  const int exponent = static_cast<int>(bits >> 52) - 1023;
  const uint64_t mantissa = bits & ((uint64_t{1} << 52) - 1);
  const size_t index = static_cast<size_t>(mantissa >> (52 - kTableBits));
  const double rest = static_cast<double>(mantissa & ((uint64_t{1} << (52 - kTableBits)) - 1)) /
                      static_cast<double>(uint64_t{1} << (52 - kTableBits));
  return exponent + table[index] + rest * (table[index + 1] - table[index]);
}

double CountLog2Count(uint64_t x) {
  static const std::vector<double> table = BuildCountTable();
  if (x < kCountTableSize) return table[static_cast<size_t>(x)];
  return static_cast<double>(x) * Log2(static_cast<double>(x));
}

}  // namespace dcac
