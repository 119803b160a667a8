#include "server/config_reload.h"

#include "absl/strings/str_cat.h"
#include "server/option_checks.h"
#include "server/settings.h"

namespace dcac::server {
namespace {

ReloadedSettings Unchanged(const ServerOptions& running, const absl::Status& why) {
  return {running, {{true, absl::StrCat("settings stay as they were: ", std::string(why.message()))}}};
}

}  // namespace

ReloadedSettings ReloadSettings(const SettingSources& sources, const ServerOptions& running) {
  absl::StatusOr<LoadedSettings> loaded = LoadSettings(sources);
  if (!loaded.ok()) return Unchanged(running, loaded.status());
  const absl::Status check = CheckOptions(loaded->options);
  if (!check.ok()) return Unchanged(running, check);
  ReloadedSettings reloaded{running, {}};
  for (const Setting& setting : Settings()) {
    const std::string before = TomlValue(setting, running);
    const std::string after = TomlValue(setting, loaded->options);
    if (before == after) continue;
    const bool now = setting.change == Change::kOnReload;
    if (now) CopyValue(setting, loaded->options, reloaded.options);
    reloaded.notices.push_back(
        {.is_problem = !now,
         .text = absl::StrCat(std::string(setting.key), now ? ": " : ": needs a restart to change from ", before,
                              now ? " is now " : " to ", after)});
  }
  return reloaded;
}

}  // namespace dcac::server
