// The table of settings: flags, names in the environment, keys of the configuration file, help, the sample file and the
// table in docs/operations.md all come from it.
#ifndef DCAC_SERVER_SETTINGS_H_
#define DCAC_SERVER_SETTINGS_H_

#include <chrono>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "server/server.h"

namespace dcac::server {

template <typename T>
using MemberOf = T& (*)(ServerOptions&);

// Kinds of settings: where a value is kept, and what it may be.
struct SwitchField {
  MemberOf<bool> of;
};
struct IntField {
  MemberOf<int> of;
  int min;
  int max;
};
struct CountField {
  MemberOf<std::uint64_t> of;
  std::uint64_t min;
};
struct SizeField {
  MemberOf<std::uint64_t> of;
  std::uint64_t min;
};
struct DurationField {
  MemberOf<std::chrono::milliseconds> of;
  std::chrono::milliseconds min;
  std::chrono::milliseconds max;
  std::chrono::milliseconds unit{0};  // of mere numbers, where the key names it
};
struct ModeField {
  MemberOf<std::uint32_t> of;
};
struct TextField {
  MemberOf<std::string> of;
  const char* what;  // it names: "FILE"
};
struct ChoiceField {
  MemberOf<std::string> of;
  std::span<const char* const> choices;
};
struct ListField {
  MemberOf<std::vector<std::string>> of;
  const char* what;
};
using Field = std::variant<SwitchField, IntField, CountField, SizeField, DurationField, ModeField, TextField,
                           ChoiceField, ListField>;

enum class Change { kOnReload, kOnRestart };  // when a new value takes effect

struct Setting {
  std::string_view key;    // as in the configuration file
  std::string_view group;  // settings of a group stand together
  Field field;
  Change change;
  std::string_view help;
};

std::span<const Setting> Settings();

// How else a setting is called: --max-streams, DCAC_SERVER_MAX_STREAMS.
std::string FlagName(const Setting& setting);
inline constexpr std::string_view kEnvironmentPrefix = "DCAC_SERVER_";
std::string EnvironmentName(const Setting& setting);

// What to write as its value: "SIZE".
std::string ValueName(const Setting& setting);

// Only lists take several texts.  Errors: InvalidArgument.
absl::Status SetValue(const Setting& setting, std::span<const std::string> texts, ServerOptions& options);

void CopyValue(const Setting& setting, ServerOptions& from, ServerOptions& to);

// All settings for people who may look at the server: of files no more than whether there are any.
std::vector<std::pair<std::string, std::string>> ShownSettings(const ServerOptions& options);

// The value as the configuration file has it.
std::string TomlValue(const Setting& setting, ServerOptions options);

}  // namespace dcac::server

#endif  // DCAC_SERVER_SETTINGS_H_
