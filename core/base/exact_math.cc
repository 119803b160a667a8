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

double FloorOf(double x) {
  const double cut = static_cast<double>(static_cast<int64_t>(x));
  return cut > x ? cut - 1 : cut;
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

double Exp2(double x) {
  constexpr double kLn2 = 0.69314718055994530942;
  const double whole = FloorOf(x + 0.5);
  const double t = (x - whole) * kLn2;  // |t| <= ln(2) / 2
  double sum = 1;
  for (int i = 14; i >= 1; --i) sum = 1 + sum * t / i;
  return std::bit_cast<double>(static_cast<uint64_t>(static_cast<int64_t>(whole) + 1023) << 52) * sum;
}

SineCosine SineCosineOfTurns(double turns) {
  constexpr double kTwoPi = 6.28318530717958647693;
  const double quarters = FloorOf(turns * 4 + 0.5);     // nearest quarter turn
  const double t = (turns - quarters * 0.25) * kTwoPi;  // |t| <= pi / 4
  const double square = t * t;
  double sine = 1, cosine = 1;
  for (int i = 8; i >= 1; --i) {
    sine = 1 - sine * square / (2 * i * (2 * i + 1));
    cosine = 1 - cosine * square / (2 * i * (2 * i - 1));
  }
  sine = sine * t;
  switch (static_cast<int64_t>(quarters) & 3) {
    case 0:
      return {sine, cosine};
    case 1:
      return {cosine, -sine};
    case 2:
      return {-sine, -cosine};
    default:
      return {-cosine, sine};
  }
}

}  // namespace dcac
