#include "server/telemetry/human.h"

#include <cstddef>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace dcac::server {
namespace {

// Three significant digits.
std::string Digits(double value) {
  return absl::StrFormat("%.*f", value < 10 ? 2 : value < 100 ? 1 : 0, value);
}

}  // namespace

std::string HumanBytes(double bytes) {
  constexpr std::string_view kUnits = "kMGTPE";
  if (bytes < 1000) return absl::StrFormat("%.0f B", bytes);
  std::size_t unit = 0;
  for (bytes /= 1000; bytes >= 999.5 && unit + 1 < kUnits.size(); ++unit) bytes /= 1000;
  return absl::StrFormat("%s %cB", Digits(bytes), kUnits[unit]);
}

std::string HumanCount(std::uint64_t count) {
  std::string text = absl::StrCat(count);
  for (std::size_t place = text.size(); place > 3; place -= 3) text.insert(place - 3, ",");
  return text;
}

std::string HumanDuration(std::chrono::nanoseconds duration) {
  const double seconds = std::chrono::duration<double>(duration).count();
  if (seconds < 1) return absl::StrCat(Digits(seconds * 1000), " ms");
  if (seconds < 60) return absl::StrCat(Digits(seconds), " s");
  const std::int64_t minutes = std::chrono::floor<std::chrono::minutes>(duration).count();
  if (minutes < 60) return absl::StrCat(minutes, " min");
  if (minutes < 24 * 60) return absl::StrCat(minutes / 60, " h ", minutes % 60, " min");
  return absl::StrCat(minutes / (24 * 60), " d ", minutes / 60 % 24, " h");
}

}  // namespace dcac::server
