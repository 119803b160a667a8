#include "client/loadgen/mix.h"

#include <algorithm>
#include <charconv>
#include <numeric>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"

namespace dcac::loadgen {
namespace {

bool IsDigits(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

}  // namespace

absl::StatusOr<MixEntry> ParseMixEntry(std::string_view text) {
  MixEntry entry{.file = std::string(text)};
  const std::size_t at = text.rfind('@');
  if (at != std::string_view::npos && IsDigits(text.substr(at + 1))) {
    entry.file = text.substr(0, at);
    const std::string_view digits = text.substr(at + 1);
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), entry.weight);
    if (error != std::errc() || entry.weight < 1 || entry.weight > kMaxWeight) {
      return absl::InvalidArgumentError(
          absl::StrCat(std::string(text), ": weight ", std::string(digits), ", expected 1..", kMaxWeight));
    }
  }
  if (entry.file.empty()) return absl::InvalidArgumentError(absl::StrCat("'", std::string(text), "' names no file"));
  return entry;
}

MixSequence::MixSequence(std::vector<std::uint32_t> weights, std::size_t skip)
    : weights_(std::move(weights)),
      credits_(weights_.size()),
      total_(std::accumulate(weights_.begin(), weights_.end(), std::int64_t{0})) {
  for (std::size_t i = 0; i < skip; ++i) Next();
}

// Each earns its weight with every call, and who is called pays the sum of all.
std::size_t MixSequence::Next() {
  for (std::size_t i = 0; i < weights_.size(); ++i) credits_[i] += weights_[i];
  const auto richest = std::max_element(credits_.begin(), credits_.end());
  *richest -= total_;
  return static_cast<std::size_t>(richest - credits_.begin());
}

}  // namespace dcac::loadgen
