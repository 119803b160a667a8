#include "server/config_file.h"

#include <toml++/toml.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"

namespace dcac::server {
namespace {

using Texts = std::vector<std::string>;

std::string Place(const std::string& name, const toml::source_region& source) {
  return absl::StrCat(name, ":", source.begin.line);
}

std::optional<Texts> Text(const toml::node& node) {
  if (const auto* text = node.as_string()) return Texts{text->get()};
  return std::nullopt;
}

std::optional<Texts> Integer(const toml::node& node) {
  if (const auto* number = node.as_integer()) return Texts{absl::StrCat(number->get())};
  return std::nullopt;
}

// The value as texts, if TOML's type of it is the one that the kind of setting has.
struct TextsOf {
  const toml::node& node;

  std::optional<Texts> operator()(const SwitchField&) const {
    if (const auto* boolean = node.as_boolean()) return Texts{boolean->get() ? "true" : "false"};
    return std::nullopt;
  }
  std::optional<Texts> operator()(const IntField&) const { return Integer(node); }
  std::optional<Texts> operator()(const CountField&) const { return Integer(node); }
  std::optional<Texts> operator()(const SizeField&) const { return node.is_integer() ? Integer(node) : Text(node); }
  std::optional<Texts> operator()(const DurationField&) const { return node.is_integer() ? Integer(node) : Text(node); }
  std::optional<Texts> operator()(const ModeField&) const { return Text(node); }
  std::optional<Texts> operator()(const TextField&) const { return Text(node); }
  std::optional<Texts> operator()(const ChoiceField&) const { return Text(node); }
  std::optional<Texts> operator()(const ListField&) const {
    const auto* array = node.as_array();
    if (array == nullptr) return Text(node);
    Texts texts;
    for (const toml::node& element : *array) {
      const auto* text = element.as_string();
      if (text == nullptr) return std::nullopt;
      texts.push_back(text->get());
    }
    return texts;
  }
};

struct ExpectedType {
  const char* operator()(const SwitchField&) const { return "true or false"; }
  const char* operator()(const IntField&) const { return "an integer"; }
  const char* operator()(const CountField&) const { return "an integer"; }
  const char* operator()(const SizeField&) const { return "an integer or a string such as \"64MiB\""; }
  const char* operator()(const DurationField&) const { return "a string such as \"30s\", or an integer"; }
  const char* operator()(const ModeField&) const { return "a string such as \"0660\""; }
  const char* operator()(const TextField&) const { return "a string"; }
  const char* operator()(const ChoiceField&) const { return "a string"; }
  const char* operator()(const ListField&) const { return "an array of strings"; }
};

absl::StatusOr<FileValue> ParseEntry(std::string_view key, const toml::node& node, const std::string& place) {
  const auto setting = std::ranges::find(Settings(), key, &Setting::key);
  if (setting == Settings().end()) {
    return absl::InvalidArgumentError(absl::StrCat(place, ": unknown ", node.is_table() ? "section [" : "key ",
                                                   std::string(key),
                                                   node.is_table() ? "]; keys stand in no section" : ""));
  }
  std::optional<Texts> texts = std::visit(TextsOf{node}, setting->field);
  if (!texts) {
    return absl::InvalidArgumentError(
        absl::StrCat(place, ": ", std::string(key), ": expected ", std::visit(ExpectedType(), setting->field)));
  }
  return FileValue{.setting = &*setting, .texts = *std::move(texts), .place = place};
}

}  // namespace

absl::StatusOr<std::vector<FileValue>> ParseConfigFile(std::string_view text, const std::string& name) {
  toml::table table;
  try {
    table = toml::parse(text);
  } catch (const toml::parse_error& error) {
    return absl::InvalidArgumentError(
        absl::StrCat(Place(name, error.source()), ": ", std::string(error.description())));
  }
  std::vector<FileValue> values;
  for (const auto& [key, node] : table) {
    DCAC_ASSIGN_OR_RETURN(values.emplace_back(), ParseEntry(key.str(), node, Place(name, key.source())));
  }
  return values;
}

}  // namespace dcac::server
