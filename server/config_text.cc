#include "server/config_text.h"

#include <string_view>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"

namespace dcac::server {
namespace {

// `head` before the first setting of each group, then `line` for each setting.
template <typename Head, typename Line>
std::string ByGroup(const Head& head, const Line& line) {
  std::string text;
  std::string_view group;
  for (std::size_t i = 0; i < Settings().size(); ++i) {
    const Setting& setting = Settings()[i];
    if (setting.group != group) text += head(std::string(setting.group));
    group = setting.group;
    text += line(setting, i);
  }
  return text;
}

std::string WhenChanged(const Setting& setting) {
  return setting.change == Change::kOnReload ? "reload" : "restart";
}

}  // namespace

std::string EffectiveConfig(const LoadedSettings& settings) {
  return ByGroup([](const std::string& group) { return absl::StrCat("# ", group, "\n"); },
                 [&](const Setting& setting, std::size_t i) {
                   return absl::StrCat(std::string(setting.key), " = ", TomlValue(setting, settings.options), "  # ",
                                       settings.origins[i], "\n");
                 });
}

std::string SampleConfig() {
  const ServerOptions defaults;
  return absl::StrCat(
      "# Configuration of dcac-server: dcac-server --config=FILE.  Every key is here with its default.\n"
      "# The environment (DCAC_SERVER_THREADS=4) overrides this file, and flags (--threads=4) override both.\n"
      "# Written by: dcac-server sample-config\n",
      ByGroup([](const std::string& group) { return absl::StrCat("\n#### ", group, "\n"); },
              [&](const Setting& setting, std::size_t) {
                return absl::StrCat("\n# ", std::string(setting.help), ".\n# Changes take effect on ",
                                    WhenChanged(setting), ".\n#", std::string(setting.key), " = ",
                                    TomlValue(setting, defaults), "\n");
              }));
}

std::string SettingsTable() {
  const ServerOptions defaults;
  return ByGroup(
      [](const std::string& group) {
        return absl::StrCat("\n**", group,
                            "**\n\n| key | default | changes | what it is |\n| --- | --- | --- | --- |\n");
      },
      [&](const Setting& setting, std::size_t) {
        return absl::StrCat("| `", std::string(setting.key), "` | `", TomlValue(setting, defaults), "` | ",
                            WhenChanged(setting), " | ", std::string(setting.help), " |\n");
      });
}

}  // namespace dcac::server
