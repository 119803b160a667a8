#include "server/setting_values.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace dcac::server {
namespace {

struct Unit {
  std::string_view name;
  std::uint64_t factor;
};

// From the smallest; the first is that of mere numbers.
constexpr std::array kSizeUnits = {Unit{"", 1}, Unit{"KiB", std::uint64_t{1} << 10},
                                   Unit{"MiB", std::uint64_t{1} << 20}, Unit{"GiB", std::uint64_t{1} << 30},
                                   Unit{"TiB", std::uint64_t{1} << 40}};
constexpr std::array kDurationUnits = {Unit{"ms", 1}, Unit{"s", 1000}, Unit{"m", 60'000}, Unit{"h", 3'600'000}};

struct Quantity {
  std::uint64_t number = 0;
  std::string_view unit;
};

std::optional<Quantity> Split(std::string_view text) {
  Quantity quantity;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), quantity.number);
  if (error != std::errc()) return std::nullopt;
  quantity.unit = text.substr(static_cast<std::size_t>(end - text.data()));
  if (quantity.unit.starts_with(' ')) quantity.unit.remove_prefix(1);
  return quantity;
}

bool IsSameWord(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, [](char x, char y) { return absl::ascii_tolower(x) == absl::ascii_tolower(y); });
}

// number * factor of the unit; nothing where there is no such unit, or no such number.
template <typename Units>
std::optional<std::uint64_t> Multiply(const Quantity& quantity, const Units& units) {
  const auto unit = std::ranges::find_if(units, [&](const Unit& u) { return IsSameWord(u.name, quantity.unit); });
  if (unit == units.end() || quantity.number > std::numeric_limits<std::uint64_t>::max() / unit->factor) {
    return std::nullopt;
  }
  return quantity.number * unit->factor;
}

template <typename Units>
std::string Format(std::uint64_t value, const Units& units) {
  auto unit = units.end() - 1;
  while (unit != units.begin() && (value == 0 || value % unit->factor != 0)) --unit;
  return absl::StrCat(value / unit->factor, std::string(unit->name));
}

absl::Status Wrong(std::string_view text, std::string_view expected) {
  return absl::InvalidArgumentError(
      absl::StrCat("found \"", std::string(text), "\", expected ", std::string(expected)));
}

}  // namespace

absl::StatusOr<std::uint64_t> ParseCount(std::string_view text) {
  const std::optional<Quantity> quantity = Split(text);
  if (!quantity || !quantity->unit.empty()) return Wrong(text, "a number");
  return quantity->number;
}

absl::StatusOr<std::uint64_t> ParseSize(std::string_view text) {
  const std::optional<Quantity> quantity = Split(text);
  const std::optional<std::uint64_t> bytes = quantity ? Multiply(*quantity, kSizeUnits) : std::nullopt;
  if (!bytes) return Wrong(text, "a size in bytes, KiB, MiB, GiB or TiB, as in 64MiB");
  return *bytes;
}

absl::StatusOr<bool> ParseSwitch(std::string_view text) {
  for (const std::string_view yes : {"true", "on", "yes", "1"}) {
    if (text == yes) return true;
  }
  for (const std::string_view no : {"false", "off", "no", "0"}) {
    if (text == no) return false;
  }
  return Wrong(text, "true or false");
}

absl::StatusOr<std::uint32_t> ParseMode(std::string_view text) {
  constexpr std::uint32_t kMost = 0777;
  std::uint32_t mode = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), mode, 8);
  if (error != std::errc() || end != text.data() + text.size() || mode > kMost) {
    return Wrong(text, "permissions in octal digits, as in 0660");
  }
  return mode;
}

absl::StatusOr<std::chrono::milliseconds> ParseDuration(std::string_view text, std::chrono::milliseconds unit) {
  constexpr std::uint64_t kMost = std::uint64_t{1} << 53;
  std::optional<Quantity> quantity = Split(text);
  std::optional<std::uint64_t> ms;
  if (quantity && quantity->unit.empty() && (quantity->number == 0 || unit.count() != 0)) {
    ms = Multiply(*quantity, std::array{Unit{"", static_cast<std::uint64_t>(std::max<std::int64_t>(unit.count(), 1))}});
  } else if (quantity) {
    ms = Multiply(*quantity, kDurationUnits);
  }
  if (!ms || *ms > kMost) return Wrong(text, "a duration in ms, s, m or h, as in 30s");
  return std::chrono::milliseconds(*ms);
}

std::string FormatSize(std::uint64_t bytes) {
  return Format(bytes, kSizeUnits);
}

std::string FormatDuration(std::chrono::milliseconds duration) {
  return duration.count() == 0 ? "0s" : Format(static_cast<std::uint64_t>(duration.count()), kDurationUnits);
}

std::string FormatMode(std::uint32_t mode) {
  return absl::StrFormat("%04o", mode);
}

}  // namespace dcac::server
