#include "server/config.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdint>
#include <limits>

#include "server/version.h"

namespace dcac::server {
namespace {

constexpr int kUsageError = 2;

// The values of the command line, in the types that it has.
struct Flags {
  explicit Flags(const ServerOptions& defaults)
      : lame_duck_ms(defaults.lame_duck.count()), drain_seconds(defaults.drain.count() / 1000) {}

  std::int64_t lame_duck_ms;
  std::int64_t drain_seconds;
};

void AddServerOptions(CLI::App& app, ServerOptions& options, Flags& flags) {
  app.add_option("--listen", options.listen, "Address to listen on, unix:PATH or HOST:PORT; repeatable")
      ->allow_extra_args(false)
      ->capture_default_str();
  app.add_option("--threads", options.threads, "Threads that code segments; 0 = as many as there are processors")
      ->check(CLI::Range(0, 1024))
      ->capture_default_str();
  app.add_option("--max-tensor-bytes", options.limits.max_tensor_bytes, "Largest tensor; suffixes KiB, MiB, GiB")
      ->transform(CLI::AsSizeValue(false))
      ->capture_default_str();
  app.add_option("--max-slab-bytes", options.limits.max_slab_bytes, "Raw bytes that a stream holds to code them")
      ->transform(CLI::AsSizeValue(false))
      ->capture_default_str();
  app.add_option("--budget-bytes", options.limits.budget_bytes, "Memory that all calls together may hold")
      ->transform(CLI::AsSizeValue(false))
      ->capture_default_str();
  app.add_option("--max-streams", options.limits.max_streams, "Open calls; more are refused")
      ->check(CLI::Range(std::uint64_t{1}, std::numeric_limits<std::uint64_t>::max()))
      ->capture_default_str();
  app.add_option("--lame-duck-ms", flags.lame_duck_ms, "On SIGTERM: time in which calls are still taken")
      ->check(CLI::Range(0, 600'000))
      ->capture_default_str();
  app.add_option("--drain-seconds", flags.drain_seconds, "On SIGTERM: time in which running calls may end")
      ->check(CLI::Range(0, 86'400))
      ->capture_default_str();
}

}  // namespace

Config ParseCommandLine(const std::vector<std::string>& arguments, std::ostream& out, std::ostream& err) {
  Config config;
  Flags flags(config.server);
  CLI::App app("Compresses and decompresses tensors for clients of dcac.v1.CompressionService.", "dcac-server");
  app.set_version_flag("--version", "dcac-server " + std::string(Version()));
  AddServerOptions(app, config.server, flags);
  CLI::App* const health = app.add_subcommand("health", "Exit with 0 if the server at ADDR serves, else with 1");
  health->add_option("ADDR", config.health_target, "unix:PATH or HOST:PORT")->required();

  try {
    std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());  // as the library wants them
    app.parse(std::move(reversed));
  } catch (const CLI::ParseError& error) {
    config.action = Config::Action::kExit;
    config.exit_status = app.exit(error, out, err) == 0 ? 0 : kUsageError;
    return config;
  }
  if (health->parsed()) config.action = Config::Action::kProbeHealth;
  config.server.lame_duck = std::chrono::milliseconds(flags.lame_duck_ms);
  config.server.drain = std::chrono::seconds(flags.drain_seconds);
  return config;
}

}  // namespace dcac::server
