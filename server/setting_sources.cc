#include "server/setting_sources.h"

#include <unistd.h>

#include <algorithm>
#include <span>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "core/base/status_macros.h"
#include "server/config_file.h"
#include "server/small_file.h"

namespace dcac::server {
namespace {

// What Kubernetes sets in every container where a service is called dcac-server: DCAC_SERVER_SERVICE_HOST,
// DCAC_SERVER_PORT_50051_TCP_ADDR.
bool IsOfServiceLinks(std::string_view name) {
  name.remove_prefix(kEnvironmentPrefix.size());
  return name.starts_with("SERVICE_") || name == "PORT" || name.starts_with("PORT_");
}

class Loader {
 public:
  Loader() { loaded_.origins.assign(Settings().size(), "default"); }

  absl::Status Set(const Setting& setting, std::span<const std::string> texts, const std::string& origin,
                   const std::string& name) {
    const absl::Status status = SetValue(setting, texts, loaded_.options);
    if (!status.ok()) {
      return absl::InvalidArgumentError(absl::StrCat(name, ": ", std::string(status.message())));
    }
    loaded_.origins.at(static_cast<std::size_t>(&setting - Settings().data())) = origin;
    return absl::OkStatus();
  }

  absl::Status SetFromFile(const std::string& path) {
    DCAC_ASSIGN_OR_RETURN(const std::string text, ReadSmallFile(path, Secrecy::kOpen));
    DCAC_ASSIGN_OR_RETURN(const std::vector<FileValue> values, ParseConfigFile(text, path));
    for (const FileValue& value : values) {
      const std::string name = absl::StrCat(value.place, ": ", std::string(value.setting->key));
      DCAC_RETURN_IF_ERROR(Set(*value.setting, value.texts, value.place, name));
    }
    return absl::OkStatus();
  }

  absl::Status SetFromVariable(const std::string& name, const std::string& text) {
    const auto settings = Settings();
    const auto setting = std::ranges::find(settings, name, EnvironmentName);
    if (setting == settings.end()) {
      return absl::InvalidArgumentError(absl::StrCat("unknown variable ", name, " in the environment"));
    }
    const bool is_list = std::holds_alternative<ListField>(setting->field);
    const std::vector<std::string> texts =
        is_list ? std::vector<std::string>(absl::StrSplit(text, ',')) : std::vector<std::string>{text};
    return Set(*setting, texts, name, name);
  }

  LoadedSettings Take() { return std::move(loaded_); }

 private:
  LoadedSettings loaded_;
};

}  // namespace

SettingSources::SettingSources() : flags(Settings().size()) {}

Environment ProcessEnvironment() {
  Environment environment;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    const std::size_t end = text.find('=');
    if (!text.starts_with(kEnvironmentPrefix) || end == std::string_view::npos || end + 1 == text.size()) continue;
    environment.emplace(text.substr(0, end), text.substr(end + 1));
  }
  return environment;
}

absl::StatusOr<LoadedSettings> LoadSettings(const SettingSources& sources) {
  Loader loader;
  const auto variable = sources.environment.find(kConfigFileVariable);
  const std::string file =
      !sources.config_file.empty() || variable == sources.environment.end() ? sources.config_file : variable->second;
  if (!file.empty()) DCAC_RETURN_IF_ERROR(loader.SetFromFile(file));
  for (const auto& [name, text] : sources.environment) {
    if (name == kConfigFileVariable || IsOfServiceLinks(name)) continue;
    DCAC_RETURN_IF_ERROR(loader.SetFromVariable(name, text));
  }
  for (std::size_t i = 0; i < sources.flags.size(); ++i) {
    if (sources.flags[i].empty()) continue;
    const Setting& setting = Settings()[i];
    DCAC_RETURN_IF_ERROR(loader.Set(setting, sources.flags[i], "flag", FlagName(setting)));
  }
  return loader.Take();
}

}  // namespace dcac::server
