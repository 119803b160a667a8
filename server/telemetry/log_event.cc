#include "server/telemetry/log_event.h"

#include <algorithm>
#include <cstddef>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/time.h"
#include "server/telemetry/text.h"

namespace dcac::server {
namespace {

// What a value of logfmt may have without quotes.
bool IsPlain(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) { return c > ' ' && c <= '~' && c != '"' && c != '='; });
}

template <std::size_t n>
std::optional<std::size_t> IndexOf(const std::array<const char*, n>& names, std::string_view name) {
  const auto found = std::ranges::find(names, name, [](const char* text) { return std::string_view(text); });
  if (found == names.end()) return std::nullopt;
  return static_cast<std::size_t>(found - names.begin());
}

void AppendLogfmt(std::string_view key, std::string_view value, bool is_text, std::string* line) {
  if (!line->empty()) *line += ' ';
  line->append(key).append("=");
  if (is_text && !IsPlain(value)) {
    *line += JsonString(value);
  } else {
    *line += value;
  }
}

void AppendJson(std::string_view key, std::string_view value, bool is_text, std::string* line) {
  *line += line->empty() ? '{' : ',';
  line->append(JsonString(key)).append(":");
  if (is_text) {
    *line += JsonString(value);
  } else {
    *line += value;
  }
}

std::string TimeText(std::chrono::system_clock::time_point time) {
  return absl::FormatTime("%Y-%m-%d%ET%H:%M:%E3SZ", absl::FromChrono(time), absl::UTCTimeZone());
}

}  // namespace

std::string_view LogLevelName(LogLevel level) {
  return kLogLevelNames.at(static_cast<std::size_t>(level));
}

std::optional<LogLevel> ParseLogLevel(std::string_view name) {
  const auto index = IndexOf(kLogLevelNames, name);
  return index ? std::optional(static_cast<LogLevel>(*index)) : std::nullopt;
}

std::optional<LogFormat> ParseLogFormat(std::string_view name) {
  const auto index = IndexOf(kLogFormatNames, name);
  return index ? std::optional(static_cast<LogFormat>(*index)) : std::nullopt;
}

LogEvent& LogEvent::Text(std::string_view key, std::string_view text) {
  if (!text.empty()) fields_.push_back({key, std::string(text.substr(0, kMaxTextBytes)), true});
  return *this;
}

LogEvent& LogEvent::Number(std::string_view key, std::uint64_t number) {
  fields_.push_back({key, absl::StrCat(number), false});
  return *this;
}

LogEvent& LogEvent::Milliseconds(std::string_view key, std::chrono::nanoseconds duration) {
  const double milliseconds = std::chrono::duration<double, std::milli>(duration).count();
  fields_.push_back({key, absl::StrFormat("%.3f", milliseconds), false});
  return *this;
}

std::string LogEvent::Format(LogFormat format, std::chrono::system_clock::time_point time) const {
  const auto append = format == LogFormat::kJson ? AppendJson : AppendLogfmt;
  std::string line;
  append("time", TimeText(time), true, &line);
  append("level", LogLevelName(level_), true, &line);
  append("event", name_, true, &line);
  for (const Field& field : fields_) append(field.key, field.value, field.is_text, &line);
  line += format == LogFormat::kJson ? "}\n" : "\n";
  return line;
}

}  // namespace dcac::server
