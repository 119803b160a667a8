#include "server/store/s3_xml.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace dcac::store {
namespace {

constexpr std::size_t kMaxErrorCharacters = 200;
constexpr std::size_t kMaxCodeCharacters = 64;

// What is between the next <name> and its </name>, and moves `text` behind it; elements of a name do not nest here.
std::optional<std::string_view> NextElement(std::string_view name, std::string_view& text) {
  const std::string open = absl::StrCat("<", absl::string_view(name.data(), name.size()));
  std::size_t begin = text.find(open);
  while (begin != std::string_view::npos) {
    begin += open.size();
    if (begin < text.size() && (text[begin] == '>' || text[begin] == ' ')) break;
    begin = text.find(open, begin);
  }
  if (begin == std::string_view::npos) return std::nullopt;
  begin = text.find('>', begin);
  if (begin == std::string_view::npos) return std::nullopt;
  const std::size_t end = text.find("</" + std::string(name) + ">", ++begin);
  if (end == std::string_view::npos) return std::nullopt;
  const std::string_view content = text.substr(begin, end - begin);
  text.remove_prefix(end);
  return content;
}

std::optional<std::string> Unescaped(std::string_view text) {
  constexpr std::array<std::pair<std::string_view, char>, 5> kNames = {
      {{"&amp;", '&'}, {"&lt;", '<'}, {"&gt;", '>'}, {"&quot;", '"'}, {"&apos;", '\''}}};
  std::string out;
  while (!text.empty()) {
    if (text[0] != '&') {
      out += text[0];
      text.remove_prefix(1);
      continue;
    }
    bool found = false;
    for (const auto& [name, character] : kNames) {
      if (found || text.substr(0, name.size()) != name) continue;
      out += character;
      text.remove_prefix(name.size());
      found = true;
    }
    if (!found) return std::nullopt;
  }
  return out;
}

std::optional<S3Entry> ParseEntry(std::string_view text) {
  std::string_view rest = text;
  const auto key = NextElement("Key", rest);
  rest = text;
  const auto size = NextElement("Size", rest);
  if (!key || !size) return std::nullopt;
  auto name = Unescaped(*key);
  if (!name) return std::nullopt;
  S3Entry entry{*std::move(name), 0};
  const auto [end, error] = std::from_chars(size->data(), size->data() + size->size(), entry.size_bytes);
  if (error != std::errc() || end != size->data() + size->size()) return std::nullopt;
  return entry;
}

}  // namespace

absl::StatusOr<S3ListPage> ParseListAnswer(std::string_view text) {
  const auto result = NextElement("ListBucketResult", text);
  if (!result) return absl::InternalError("the answer to a listing has no ListBucketResult");
  S3ListPage page;
  std::string_view rest = *result;
  const auto truncated = NextElement("IsTruncated", rest);
  page.more = truncated == "true";
  rest = *result;
  while (const auto contents = NextElement("Contents", rest)) {
    auto entry = ParseEntry(*contents);
    if (!entry) return absl::InternalError("an entry of a listing has no Key or no Size that can be read");
    page.entries.push_back(*std::move(entry));
  }
  if (page.more && page.entries.empty()) return absl::InternalError("a listing that goes on has no entries");
  return page;
}

S3Error ParseErrorAnswer(std::string_view text) {
  S3Error error;
  std::string_view rest = text;
  const std::string_view code = NextElement("Code", rest).value_or("");
  const bool is_code = code.size() <= kMaxCodeCharacters &&
                       std::ranges::all_of(code, [](char c) { return absl::ascii_isalnum(c) || c == '.'; });
  if (is_code) error.code = code;
  rest = text;
  error.message = NextElement("Message", rest).value_or("").substr(0, kMaxErrorCharacters);
  for (char& c : error.message) {
    if (c < ' ' || c > '~') c = '?';
  }
  return error;
}

}  // namespace dcac::store
