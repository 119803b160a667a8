#include <algorithm>
#include <iostream>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "client/cli/commands.h"
#include "client/cli/exit_code.h"

namespace dcac::cli {
namespace {

// What the shells need to know of an option or a positional argument.
struct Argument {
  std::vector<std::string> names;  // "-o", "--output"; none: positional
  bool has_value = false;
  std::vector<std::string> choices;  // of its value
  bool is_file = false;              // a value without choices that may be a file
  std::string help;
};

struct Verb {
  std::string name;
  std::string help;
  std::vector<Argument> options;
  Argument positional;
};

// "ls, dcac, intra": the names that a value may be.
std::vector<std::string> SplitNames(std::string_view text) {
  std::vector<std::string> names;
  for (const auto& name : absl::StrSplit(std::string(text), absl::ByAnyChar(", "), absl::SkipEmpty())) {
    names.emplace_back(name.data(), name.size());
  }
  return names;
}

// Names that a value is one of stand in braces in its type, put there by CLI11 or by AddNamed.
std::vector<std::string> Choices(const CLI::Option& option) {
  const std::string type = option.get_type_name();
  if (const std::size_t open = type.find('{'), close = type.find('}');
      open != std::string::npos && close != std::string::npos && open < close) {
    return SplitNames(std::string_view(type).substr(open + 1, close - open - 1));
  }
  return {};
}

Argument ToArgument(const CLI::Option& option) {
  Argument argument{
      .has_value = option.get_items_expected_max() > 0, .choices = Choices(option), .help = option.get_description()};
  argument.is_file = argument.has_value && argument.choices.empty() && option.get_type_name().starts_with("TEXT");
  for (const std::string& name : option.get_snames()) argument.names.push_back("-" + name);
  for (const std::string& name : option.get_lnames()) argument.names.push_back("--" + name);
  return argument;
}

std::vector<Verb> Describe(const CLI::App& app) {
  std::vector<Verb> verbs;
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    Verb verb{.name = command->get_name(), .help = command->get_description()};
    for (const CLI::Option* option : command->get_options()) {
      if (option->get_positional()) {
        verb.positional = ToArgument(*option);
      } else {
        verb.options.push_back(ToArgument(*option));
      }
    }
    verbs.push_back(std::move(verb));
  }
  // The one argument of `help` is a verb.
  for (Verb& verb : verbs) {
    if (verb.name != "help") continue;
    verb.positional.is_file = false;
    for (const Verb& other : verbs) verb.positional.choices.push_back(other.name);
  }
  return verbs;
}

std::string VerbNames(const std::vector<Verb>& verbs) {
  return absl::StrJoin(verbs, " ", [](std::string* out, const Verb& verb) { *out += verb.name; });
}

// `text` as one word of bash or zsh.
std::string Quote(const std::string& text) {
  return absl::StrCat("'", absl::StrReplaceAll(text, {{"'", "'\\''"}}), "'");
}

// bash: a function that knows the words of each verb and the values of each option.
std::string BashScript(const std::vector<Verb>& verbs) {
  std::string words, values;
  for (const Verb& verb : verbs) {
    std::vector<std::string> names;
    for (const Argument& option : verb.options) {
      names.insert(names.end(), option.names.begin(), option.names.end());
      if (!option.has_value) continue;
      const std::string pattern = absl::StrJoin(option.names, "|", [&](std::string* out, const std::string& name) {
        absl::StrAppend(out, "'", verb.name, " ", name, "'");
      });
      absl::StrAppend(&values, "    ", pattern, ") words='", absl::StrJoin(option.choices, " "),
                      "'; files=", option.is_file ? 1 : 0, " ;;\n");
    }
    names.insert(names.end(), verb.positional.choices.begin(), verb.positional.choices.end());
    absl::StrAppend(&words, "    ", verb.name, ") words='", absl::StrJoin(names, " "),
                    "'; files=", verb.positional.is_file ? 1 : 0, " ;;\n");
  }
  return absl::StrCat(R"(# bash completion for dcac
_dcac() {
  local current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} verb=${COMP_WORDS[1]} words= files=0
  # --name=value arrives as three words.
  if [ "$current" = '=' ]; then
    current=
  elif [ "$before" = '=' ]; then
    before=${COMP_WORDS[COMP_CWORD-2]}
  fi
  if [ "$COMP_CWORD" -eq 1 ]; then
    words=')",
                      VerbNames(verbs), R"( --help --version'
  else case "$verb $before" in
)",
                      values, R"(    *) case "$verb" in
)",
                      words, R"(    esac ;;
  esac fi
  COMPREPLY=($(compgen -W "$words" -- "$current"))
  if [ "$files" = 1 ] && [[ $current != -* ]]; then
    compopt -o filenames 2>/dev/null
    local IFS=$'\n'
    COMPREPLY+=($(compgen -f -- "$current"))
  fi
}
complete -F _dcac dcac
)");
}

std::string ZshText(const std::string& text) {
  return absl::StrReplaceAll(text, {{"\\", "\\\\"}, {"[", "\\["}, {"]", "\\]"}, {":", "\\:"}});
}

std::string ZshAction(const Argument& argument) {
  if (!argument.choices.empty()) return absl::StrCat(":(", absl::StrJoin(argument.choices, " "), ")");
  return argument.is_file ? ":_files" : ": ";
}

std::string ZshScript(const std::vector<Verb>& verbs) {
  std::string list, cases;
  for (const Verb& verb : verbs) {
    absl::StrAppend(&list, "    ", Quote(absl::StrCat(ZshText(verb.name), ":", verb.help)), "\n");
    absl::StrAppend(&cases, "    ", verb.name, ") _arguments -s");
    for (const Argument& option : verb.options) {
      for (const std::string& name : option.names) {
        const bool is_long = name.starts_with("--");
        std::string spec =
            absl::StrCat("*", name, option.has_value ? (is_long ? "=" : "+") : "", "[", ZshText(option.help), "]");
        if (option.has_value) absl::StrAppend(&spec, ":value", ZshAction(option));
        absl::StrAppend(&cases, " \\\n      ", Quote(spec));
      }
    }
    if (verb.positional.has_value)
      absl::StrAppend(&cases, " \\\n      ", Quote(absl::StrCat("*:argument", ZshAction(verb.positional))));
    absl::StrAppend(&cases, " ;;\n");
  }
  return absl::StrCat("#compdef dcac\n_dcac() {\n  local -a verbs=(\n", list, R"(  )
  if (( CURRENT == 2 )); then
    _describe verb verbs
    return
  fi
  local verb=$words[2]
  shift words
  (( CURRENT-- ))
  case $verb in
)",
                      cases, R"(  esac
}
if [ "$funcstack[1]" = _dcac ]; then
  _dcac "$@"
else
  compdef _dcac dcac
fi
)");
}

std::string FishScript(const std::vector<Verb>& verbs) {
  const auto quote = [](const std::string& text) {
    return absl::StrCat("'", absl::StrReplaceAll(text, {{"\\", "\\\\"}, {"'", "\\'"}}), "'");
  };
  std::string script = "# fish completion for dcac\ncomplete -c dcac -f\n";
  for (const Verb& verb : verbs) {
    absl::StrAppend(&script, "complete -c dcac -n __fish_use_subcommand -a ", verb.name, " -d ", quote(verb.help),
                    "\n");
    const std::string start = absl::StrCat("complete -c dcac -n '__fish_seen_subcommand_from ", verb.name, "'");
    for (const Argument& option : verb.options) {
      absl::StrAppend(&script, start);
      for (const std::string& name : option.names) {
        absl::StrAppend(&script, name.starts_with("--") ? " -l " : " -s ", name.substr(name.starts_with("--") ? 2 : 1));
      }
      if (option.has_value) absl::StrAppend(&script, option.is_file ? " -r -F" : " -x");
      if (!option.choices.empty()) absl::StrAppend(&script, " -a ", quote(absl::StrJoin(option.choices, " ")));
      absl::StrAppend(&script, " -d ", quote(option.help), "\n");
    }
    if (verb.positional.is_file) absl::StrAppend(&script, start, " -F\n");
    if (!verb.positional.choices.empty()) {
      absl::StrAppend(&script, start, " -a ", quote(absl::StrJoin(verb.positional.choices, " ")), "\n");
    }
  }
  return script;
}

}  // namespace

void AddCompletionCommand(CLI::App& app, Action& action) {
  CLI::App* command =
      app.add_subcommand("completion", "Print a script that completes the arguments of dcac in a shell");
  auto shell = std::make_shared<std::string>();
  command->add_option("SHELL", *shell, "The shell")->required()->check(CLI::IsMember({"bash", "zsh", "fish"}));
  command->callback([&app, &action, shell] {
    action = [&app, shell]() -> int {
      const std::vector<Verb> verbs = Describe(app);
      std::cout << (*shell == "bash" ? BashScript(verbs) : *shell == "zsh" ? ZshScript(verbs) : FishScript(verbs));
      return kExitOk;
    };
  });
}

}  // namespace dcac::cli
