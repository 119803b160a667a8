// What all fuzz targets share.  A target is one file that defines LLVMFuzzerTestOneInput; it is linked with libFuzzer
// or with driver.cc.
#ifndef DCAC_TESTS_FUZZ_FUZZ_H_
#define DCAC_TESTS_FUZZ_FUZZ_H_

#include <cstddef>
#include <cstdint>
#include <span>

#include "absl/status/status.h"
#include "dcac/options.h"

// The interface of libFuzzer.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t max_size);
extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t max_size,
                                               unsigned int seed);

// Ends the program, which is how a fuzzer learns of an error, unless the condition holds.
#define DCAC_FUZZ_REQUIRE(condition) \
  ((condition) ? static_cast<void>(0) : ::dcac::fuzz::Fail(__FILE__, __LINE__, #condition))

namespace dcac::fuzz {

[[noreturn]] void Fail(const char* file, int line, const char* condition);

// Small enough that a claim in a header costs neither much memory nor much time.
inline constexpr DecodeLimits kLimits = {.max_tensor_bytes = 1 << 18, .max_slab_bytes = 1 << 18};

inline std::span<const std::byte> InputBytes(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const std::byte*>(data), size};
}

// Numbers taken off the front of an input; 0 once it is used up.
class Choices {
 public:
  explicit Choices(std::span<const std::byte> input) : rest_(input) {}

  std::uint64_t Bits(int num_bytes);
  std::uint64_t Below(std::uint64_t n) { return Bits(n <= 256 ? 1 : 4) % n; }
  bool Flag() { return Below(2) == 1; }
  std::span<const std::byte> rest() const { return rest_; }

 private:
  std::span<const std::byte> rest_;
};

// Counts what became of the inputs, by message without numbers: shows whether the checks deep inside are reached.
// Does nothing before EnableOutcomes.
void CountOutcome(const absl::Status& status);
void EnableOutcomes();
void PrintOutcomes();

// Whether `status` is one that damaged bytes may lead to; others are errors of ours.
bool IsRefusal(const absl::Status& status);

}  // namespace dcac::fuzz

#endif  // DCAC_TESTS_FUZZ_FUZZ_H_
