// Grants::Parse: the file of tokens.
#include <toml++/toml.h>

#include <algorithm>
#include <array>
#include <span>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "server/grants.h"

namespace dcac::server {
namespace {

constexpr std::size_t kMaxEntries = 10'000;

absl::StatusOr<TokenHash> ParseHash(std::string_view text) {
  TokenHash hash{};
  const bool is_hex =
      std::ranges::all_of(text, [](char c) { return absl::ascii_isxdigit(static_cast<unsigned char>(c)); });
  if (text.size() != 2 * hash.size() || !is_hex) {
    return absl::InvalidArgumentError("sha256: expected 64 hexadecimal digits");
  }
  const std::string bytes = absl::HexStringToBytes(absl::string_view(text.data(), text.size()));
  std::ranges::copy(bytes, hash.begin());
  return hash;
}

absl::StatusOr<std::chrono::sys_seconds> ParseExpiry(const toml::node& node) {
  const auto* value = node.as_date_time();
  if (value == nullptr || !value->get().offset) {
    return absl::InvalidArgumentError("expires: expected a date, time and zone such as 2030-01-01T00:00:00Z");
  }
  const toml::date_time& time = value->get();
  const std::chrono::year_month_day day{std::chrono::year(time.date.year), std::chrono::month(time.date.month),
                                        std::chrono::day(time.date.day)};
  return std::chrono::sys_days(day) + std::chrono::hours(time.time.hour) + std::chrono::minutes(time.time.minute) +
         std::chrono::seconds(time.time.second) - std::chrono::minutes(time.offset->minutes);
}

}  // namespace

// Errors of what it calls get the place in the file in front.
class GrantsParser {
 public:
  explicit GrantsParser(const std::string& file) : file_(file) {}

  absl::StatusOr<Grants> Parse(std::string_view text) {
    toml::table table;
    try {
      table = toml::parse(text);
    } catch (const toml::parse_error& error) {
      return At(error.source(), std::string(error.description()));
    }
    for (const auto& [key, node] : table) {
      if (key.str() != "token" && key.str() != "certificate") {
        return At(key.source(),
                  absl::StrCat("unknown key ", std::string(key.str()), "; expected [[token]] or [[certificate]]"));
      }
      DCAC_RETURN_IF_ERROR(ParseEntries(node, key.str() == "token"));
    }
    return std::move(grants_);
  }

 private:
  absl::Status At(const toml::source_region& source, const std::string& what) const {
    return absl::InvalidArgumentError(absl::StrCat(file_, ":", source.begin.line, ": ", what));
  }

  absl::Status ParseEntries(const toml::node& node, bool are_tokens) {
    const toml::array* const entries = node.as_array();
    if (entries == nullptr) return At(node.source(), "expected [[token]] or [[certificate]], in double brackets");
    if (entries->size() > kMaxEntries) return At(node.source(), absl::StrCat("more than ", kMaxEntries, " entries"));
    for (const toml::node& entry : *entries) {
      const toml::table* const table = entry.as_table();
      if (table == nullptr) return At(entry.source(), "expected a table");
      DCAC_RETURN_IF_ERROR(are_tokens ? ParseToken(*table) : ParseCertificate(*table));
    }
    return absl::OkStatus();
  }

  absl::Status ParseToken(const toml::table& table) {
    Grants::Token token;
    DCAC_ASSIGN_OR_RETURN(token.grant, ParseGrant(table, "sha256"));
    DCAC_ASSIGN_OR_RETURN(const std::string text, Text(table, "sha256"));
    absl::StatusOr<TokenHash> hash = ParseHash(text);
    if (!hash.ok()) return At(table.source(), std::string(hash.status().message()));
    token.hash = *hash;
    if (std::ranges::find(grants_.tokens_, token.hash, &Grants::Token::hash) != grants_.tokens_.end()) {
      return At(table.source(), "sha256: an earlier token is the same");
    }
    grants_.tokens_.push_back(std::move(token));
    return absl::OkStatus();
  }

  absl::Status ParseCertificate(const toml::table& table) {
    Grants::Certificate certificate;
    DCAC_ASSIGN_OR_RETURN(certificate.grant, ParseGrant(table, "common_name"));
    DCAC_ASSIGN_OR_RETURN(certificate.common_name, Text(table, "common_name"));
    if (certificate.common_name.empty()) return At(table.source(), "common_name: expected a name");
    if (grants_.FindCertificate(certificate.common_name) != nullptr) {
      return At(table.source(), "common_name: an earlier certificate has the same");
    }
    grants_.certificates_.push_back(std::move(certificate));
    return absl::OkStatus();
  }

  // `identifier`: the key of what is granted to, which the caller reads.
  absl::StatusOr<Grant> ParseGrant(const toml::table& table, std::string_view identifier) const {
    for (const auto& [key, node] : table) {
      const std::array known = {std::string_view("name"), std::string_view("tenant"), std::string_view("scopes"),
                                std::string_view("expires"), identifier};
      if (std::ranges::find(known, key.str()) == known.end()) {
        return At(key.source(), absl::StrCat("unknown key ", std::string(key.str())));
      }
    }
    Grant grant;
    DCAC_ASSIGN_OR_RETURN(grant.name, Name(table, "name"));
    DCAC_ASSIGN_OR_RETURN(grant.tenant, Name(table, "tenant"));
    DCAC_ASSIGN_OR_RETURN(grant.scopes, Scopes(table));
    if (const toml::node* const node = table.get("expires")) {
      absl::StatusOr<std::chrono::sys_seconds> expiry = ParseExpiry(*node);
      if (!expiry.ok()) return At(node->source(), std::string(expiry.status().message()));
      grant.expiry = *expiry;
    }
    return grant;
  }

  absl::StatusOr<std::string> Text(const toml::table& table, std::string_view key) const {
    const toml::node* const node = table.get(key);
    if (node == nullptr) return At(table.source(), absl::StrCat("no ", std::string(key)));
    if (!node->is_string()) return At(node->source(), absl::StrCat(std::string(key), ": expected a string"));
    return node->as_string()->get();
  }

  absl::StatusOr<std::string> Name(const toml::table& table, std::string_view key) const {
    DCAC_ASSIGN_OR_RETURN(std::string text, Text(table, key));
    if (!IsPlainName(text)) {
      return At(table.source(), absl::StrCat(std::string(key),
                                             ": expected 1 to 64 letters, digits, dots, - or _, not \".\" or \"..\""));
    }
    return text;
  }

  absl::StatusOr<std::vector<Scope>> Scopes(const toml::table& table) const {
    constexpr char kExpected[] = "scopes: expected an array of \"read\", \"write\", \"admin\"";
    const toml::node* const node = table.get("scopes");
    const toml::array* const array = node == nullptr ? nullptr : node->as_array();
    if (array == nullptr || array->empty()) return At(table.source(), kExpected);
    std::vector<Scope> scopes;
    for (const toml::node& element : *array) {
      const std::optional<Scope> scope = element.is_string() ? ParseScope(element.as_string()->get()) : std::nullopt;
      if (!scope) return At(element.source(), kExpected);
      if (std::ranges::find(scopes, *scope) == scopes.end()) scopes.push_back(*scope);
    }
    return scopes;
  }

  const std::string& file_;
  Grants grants_;
};

absl::StatusOr<Grants> Grants::Parse(std::string_view text, const std::string& file) {
  return GrantsParser(file).Parse(text);
}

}  // namespace dcac::server
