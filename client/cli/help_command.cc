#include <iostream>
#include <memory>
#include <string>

#include "client/cli/commands.h"
#include "client/cli/exit_code.h"
#include "client/cli/report.h"

namespace dcac::cli {
namespace {

const CLI::App* FindVerb(CLI::App& app, const std::string& name) {
  for (const CLI::App* verb : app.get_subcommands([](const CLI::App*) { return true; })) {
    if (verb->get_name() == name) return verb;
  }
  return nullptr;
}

}  // namespace

void AddHelpCommand(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand("help", "Show the options of a verb");
  auto verb = std::make_shared<std::string>();
  command->add_option("VERB", *verb, "A verb; without it, all verbs are shown");
  command->callback([&app, &action, verb] {
    action = [&app, verb]() -> int {
      const CLI::App* subject = verb->empty() ? &app : FindVerb(app, *verb);
      if (subject == nullptr) return ReportUsageError("no verb '" + *verb + "', expected one that `dcac help` lists");
      // Not subject->help(), which for the whole program would show the verb that was parsed: this one.
      std::cout << subject->get_formatter()->make_help(subject, subject->get_display_name(),
                                                       CLI::AppFormatMode::Normal);
      return kExitOk;
    };
  });
}

}  // namespace dcac::cli
