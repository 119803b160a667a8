#include "tests/fuzz/fuzz.h"

#include <oneapi/tbb/global_control.h>

#include <cctype>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>

// libFuzzer and driver.cc call this first.  One thread: inputs are small, and a run repeats exactly.
extern "C" int LLVMFuzzerInitialize(int*, char***) {
  static tbb::global_control one_thread(tbb::global_control::max_allowed_parallelism, 1);
  return 0;
}

namespace dcac::fuzz {
namespace {

bool outcomes_enabled = false;

std::map<std::string, std::uint64_t>& Outcomes() {
  static std::map<std::string, std::uint64_t> outcomes;
  return outcomes;
}

// Without numbers and what it quotes: the check that spoke is what counts.
std::string Kind(std::string_view message) {
  std::string kind;
  bool quoted = false;
  for (std::size_t i = 0; i < message.size(); ++i) {
    const char c = message[i];
    const bool digit = std::isdigit(static_cast<unsigned char>(c)) != 0;
    if (c == '\'') quoted = !quoted;
    if (!quoted && !digit) kind += c;
    if (!quoted && digit && (kind.empty() || kind.back() != '#')) kind += '#';
    if (message.substr(i).starts_with("0x")) i += 3;  // a byte
  }
  return kind;
}

}  // namespace

void Fail(const char* file, int line, const char* condition) {
  std::fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, condition);
  std::abort();
}

std::uint64_t Choices::Bits(int num_bytes) {
  std::uint64_t bits = 0;
  for (int i = 0; i < num_bytes && !rest_.empty(); ++i) {
    bits |= std::to_integer<std::uint64_t>(rest_.front()) << (8 * i);
    rest_ = rest_.subspan(1);
  }
  return bits;
}

void CountOutcome(const absl::Status& status) {
  if (outcomes_enabled) ++Outcomes()[status.ok() ? "OK" : Kind(status.ToString())];
}

void EnableOutcomes() {
  outcomes_enabled = true;
}

void PrintOutcomes() {
  for (const auto& [message, count] : Outcomes())
    std::printf("%10llu  %s\n", static_cast<unsigned long long>(count), message.c_str());
}

bool IsRefusal(const absl::Status& status) {
  return status.code() == absl::StatusCode::kDataLoss || status.code() == absl::StatusCode::kUnimplemented ||
         status.code() == absl::StatusCode::kResourceExhausted;
}

}  // namespace dcac::fuzz
