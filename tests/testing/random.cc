#include "tests/testing/random.h"

#include <cstdio>
#include <cstdlib>

namespace dcac::testing {
namespace {

std::uint64_t FromEnvironment(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text != nullptr && *text != '\0' ? std::strtoull(text, nullptr, 0) : otherwise;
}

}  // namespace

std::uint64_t Seed() {
  static const std::uint64_t seed = [] {
    const std::uint64_t value = FromEnvironment("DCAC_TEST_SEED", 20240607);
    std::printf("DCAC_TEST_SEED=%llu\n", static_cast<unsigned long long>(value));
    return value;
  }();
  return seed;
}

std::uint64_t RoundsFactor() {
  return FromEnvironment("DCAC_TEST_ROUNDS", 1);
}

}  // namespace dcac::testing
