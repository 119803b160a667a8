// Values of settings as people write them.
#ifndef DCAC_SERVER_SETTING_VALUES_H_
#define DCAC_SERVER_SETTING_VALUES_H_

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace dcac::server {

// All errors are InvalidArgument, and say what was found and what was expected.

absl::StatusOr<std::uint64_t> ParseCount(std::string_view text);  // 12
absl::StatusOr<std::uint64_t> ParseSize(std::string_view text);   // 4096, 64KiB, 1 MiB, 2GiB, 1TiB
absl::StatusOr<bool> ParseSwitch(std::string_view text);          // true, false, on, off, yes, no, 1, 0
absl::StatusOr<std::uint32_t> ParseMode(std::string_view text);   // permissions of a file: 0660

// 250ms, 30s, 5m, 1h; a mere number counts `unit`s, or is an error where that is zero (but for 0 itself).
absl::StatusOr<std::chrono::milliseconds> ParseDuration(std::string_view text, std::chrono::milliseconds unit);

// With the largest unit that leaves no rest.
std::string FormatSize(std::uint64_t bytes);
std::string FormatDuration(std::chrono::milliseconds duration);
std::string FormatMode(std::uint32_t mode);

}  // namespace dcac::server

#endif  // DCAC_SERVER_SETTING_VALUES_H_
