#include "server/config.h"

#include <CLI/CLI.hpp>

#include "absl/strings/str_cat.h"
#include "server/config_text.h"
#include "server/version.h"

namespace dcac::server {
namespace {

// What is asked for beside settings.
struct Requests {
  bool check_config = false;
  bool print_config = false;
  const CLI::App* health = nullptr;
  const CLI::App* hash_token = nullptr;
  const CLI::App* new_token = nullptr;
  const CLI::App* sample_config = nullptr;
  const CLI::App* settings_table = nullptr;
};

void AddSettings(CLI::App& app, SettingSources& sources) {
  const ServerOptions defaults;
  for (std::size_t i = 0; i < Settings().size(); ++i) {
    const Setting& setting = Settings()[i];
    const std::string help = absl::StrCat(std::string(setting.help), " [", TomlValue(setting, defaults), "]");
    const bool is_switch = std::holds_alternative<SwitchField>(setting.field);
    CLI::Option* const option = is_switch ? app.add_flag(FlagName(setting), sources.flags[i], help)
                                          : app.add_option(FlagName(setting), sources.flags[i], help);
    if (!is_switch)
      option->expected(1)->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)->type_name(ValueName(setting));
    option->group(std::string(setting.group));
  }
}

const CLI::App* AddNewToken(CLI::App& app, NewToken& request) {
  CLI::App* const verb = app.add_subcommand(
      "new-token", "Make a token: its entry of the token file goes to stdout, the token itself to stderr");
  verb->add_option("--name", request.name, "Of the token, in logs")->required();
  verb->add_option("--tenant", request.tenant, "Whom it belongs to")->required();
  verb->add_option("--scopes", request.scopes, "What it is good for: read,write,admin")->delimiter(',')->required();
  return verb;
}

Requests AddRequests(CLI::App& app, Config& config) {
  Requests requests;
  app.set_version_flag("--version", "dcac-server " + std::string(Version()));
  app.footer("Each setting may be given as a variable too, as in DCAC_SERVER_THREADS=4, or in the configuration file.");
  app.add_option("--config", config.sources.config_file, "Configuration file, TOML")->type_name("FILE");
  app.add_flag("--check-config", requests.check_config, "Say whether the server could start so, and exit: 0 or 2");
  app.add_flag("--print-config", requests.print_config, "Print the settings and where they came from, and exit");
  CLI::App* const health = app.add_subcommand("health", "Exit with 0 if the server at ADDR serves, else with 1");
  health->add_option("ADDR", config.health_target, "unix:PATH or HOST:PORT")->required();
  requests.health = health;
  requests.hash_token = app.add_subcommand("hash-token", "Print what the token file has for a token, read from stdin");
  requests.new_token = AddNewToken(app, config.new_token);
  requests.sample_config = app.add_subcommand("sample-config", "Print a configuration file with every key");
  requests.settings_table = app.add_subcommand("settings-table", "Print a table of all settings in Markdown");
  return requests;
}

void Exit(Config& config, int status) {
  config.action = Config::Action::kExit;
  config.exit_status = status;
}

void Say(Config& config, std::ostream& out, const std::string& text) {
  out << text;
  Exit(config, 0);
}

void LoadInto(Config& config, const Requests& requests, std::ostream& out, std::ostream& err) {
  absl::StatusOr<LoadedSettings> loaded = LoadSettings(config.sources);
  if (!loaded.ok()) {
    err << absl::StrCat("dcac-server: ", std::string(loaded.status().message()), "\n");
    return Exit(config, kUsageError);
  }
  config.server = loaded->options;
  if (requests.check_config) config.action = Config::Action::kCheckConfig;
  if (requests.print_config) Say(config, out, EffectiveConfig(*loaded));
}

}  // namespace

Config ParseCommandLine(const std::vector<std::string>& arguments, const Environment& environment, std::ostream& out,
                        std::ostream& err) {
  Config config;
  config.sources.environment = environment;
  CLI::App app("Compresses and decompresses tensors for clients of dcac.v1.CompressionService.", "dcac-server");
  const Requests requests = AddRequests(app, config);
  AddSettings(app, config.sources);
  try {
    std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());  // as the library wants them
    app.parse(std::move(reversed));
  } catch (const CLI::ParseError& error) {
    Exit(config, app.exit(error, out, err) == 0 ? 0 : kUsageError);
    return config;
  }
  if (requests.health->parsed()) {
    config.action = Config::Action::kProbeHealth;
  } else if (requests.hash_token->parsed()) {
    config.action = Config::Action::kHashToken;
  } else if (requests.new_token->parsed()) {
    config.action = Config::Action::kNewToken;
  } else if (requests.sample_config->parsed()) {
    Say(config, out, SampleConfig());
  } else if (requests.settings_table->parsed()) {
    Say(config, out, SettingsTable());
  } else {
    LoadInto(config, requests, out, err);
  }
  return config;
}

}  // namespace dcac::server
