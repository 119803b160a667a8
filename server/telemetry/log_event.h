// One line of the log: an event and what belongs to it.
#ifndef DCAC_SERVER_TELEMETRY_LOG_EVENT_H_
#define DCAC_SERVER_TELEMETRY_LOG_EVENT_H_

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dcac::server {

enum class LogLevel { kDebug, kInfo, kWarning, kError, kOff };
inline constexpr std::array<const char*, 5> kLogLevelNames = {"debug", "info", "warning", "error", "off"};
std::string_view LogLevelName(LogLevel level);
std::optional<LogLevel> ParseLogLevel(std::string_view name);

enum class LogFormat { kLogfmt, kJson };
inline constexpr std::array<const char*, 2> kLogFormatNames = {"logfmt", "json"};
std::optional<LogFormat> ParseLogFormat(std::string_view name);

// Texts may come from anywhere: at most kMaxTextBytes of each are written, and none can end the line or begin another
// field.  Keys are the program's own.
class LogEvent {
 public:
  static constexpr std::size_t kMaxTextBytes = 512;

  LogEvent(LogLevel level, std::string_view name) : level_(level), name_(name) {}

  LogEvent& Text(std::string_view key, std::string_view text);  // left out where it is empty
  LogEvent& Number(std::string_view key, std::uint64_t number);
  LogEvent& Milliseconds(std::string_view key, std::chrono::nanoseconds duration);

  LogLevel level() const { return level_; }

  // With its end of line.
  std::string Format(LogFormat format, std::chrono::system_clock::time_point time) const;

 private:
  struct Field {
    std::string_view key;
    std::string value;
    bool is_text;
  };

  LogLevel level_;
  std::string_view name_;
  std::vector<Field> fields_;
};

}  // namespace dcac::server

#endif  // DCAC_SERVER_TELEMETRY_LOG_EVENT_H_
