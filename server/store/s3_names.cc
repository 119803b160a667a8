#include "server/store/s3_names.h"

#include <array>
#include <charconv>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "server/store/aws_signature.h"
#include "server/store/record.h"

namespace dcac::store {
namespace {

constexpr std::size_t kPieceBytes = 200;
constexpr std::string_view kCutMark = "~z";  // after all that a character is encoded as
constexpr std::size_t kCutHashCharacters = 32;
constexpr std::size_t kTimeCharacters = 12;

// Characters `first` .. `last` are written as `lead` and a letter; `lead` sorts where they do, and stands for no other.
struct Group {
  unsigned char first;
  unsigned char last;
  char lead;
};
constexpr std::array<Group, 5> kGroups = {
    {{0x20, 0x2C, '!'}, {0x2E, 0x2F, '.'}, {0x3A, 0x40, '='}, {0x5B, 0x60, '_'}, {0x7B, 0x7E, '~'}}};
// Other bytes are '~' and two letters, for the upper three and the lower four bits.
constexpr char kHighFirst = 'e';

void AppendEncoded(unsigned char c, std::string& out) {
  for (const Group& group : kGroups) {
    if (c < group.first || c > group.last) continue;
    out += group.lead;
    out += static_cast<char>('a' + (c - group.first));
    return;
  }
  if (c < 0x80) {
    out += static_cast<char>(c);
    return;
  }
  out += '~';
  out += static_cast<char>(kHighFirst + ((c - 0x80) >> 4));
  out += static_cast<char>('a' + (c & 15));
}

// Stops before it would be longer than kMaxEncodedBytes; `cut` tells whether it did.
std::string Encoded(std::string_view text, bool& cut) {
  std::string out;
  cut = false;
  for (const char c : text) {
    const std::size_t before = out.size();
    AppendEncoded(static_cast<unsigned char>(c), out);
    if (out.size() <= kMaxEncodedBytes) continue;
    out.resize(before);
    cut = true;
    break;
  }
  return out;
}

// A piece that others follow ends in '~', so that none has the name of a last one.
std::string InPieces(std::string_view text) {
  std::string out;
  for (; text.size() > kPieceBytes; text.remove_prefix(kPieceBytes)) out.append(text.substr(0, kPieceBytes)) += "~/";
  return out.append(text);
}

std::optional<std::string> WithoutPieces(std::string_view text) {
  std::string out;
  for (; text.size() > kPieceBytes; text.remove_prefix(kPieceBytes + 2)) {
    if (text.substr(kPieceBytes, 2) != "~/") return std::nullopt;
    out.append(text.substr(0, kPieceBytes));
  }
  return out.append(text);
}

// The character at the start of `text`, which is moved behind it.
std::optional<char> NextCharacter(std::string_view& text) {
  const auto take = [&] {
    const char c = text.empty() ? '\0' : text[0];
    text.remove_prefix(text.empty() ? 0 : 1);
    return c;
  };
  const char first = take();
  for (const Group& group : kGroups) {
    if (first != group.lead) continue;
    const char second = take();
    if (second >= 'a' && second <= 'a' + (group.last - group.first)) {
      return static_cast<char>(group.first + (second - 'a'));
    }
    const char third = take();
    if (first != '~' || second < kHighFirst || second >= kHighFirst + 8 || third < 'a' || third > 'p') {
      return std::nullopt;
    }
    return static_cast<char>(0x80 + ((second - kHighFirst) << 4) + (third - 'a'));
  }
  return first;
}

}  // namespace

std::string EncodeKey(std::string_view key) {
  bool cut = false;
  std::string out = Encoded(key, cut);
  if (cut) out.append(kCutMark) += Sha256Hex(key).substr(0, kCutHashCharacters);
  return InPieces(out);
}

std::string EncodePrefix(std::string_view prefix) {
  bool cut = false;
  return InPieces(Encoded(prefix, cut));
}

std::optional<std::string> CutGroup(std::string_view encoded) {
  const auto whole = WithoutPieces(encoded);
  const std::size_t tail = kCutMark.size() + kCutHashCharacters;
  if (!whole || whole->size() < tail) return std::nullopt;
  const std::size_t mark = whole->size() - tail;
  if (whole->compare(mark, kCutMark.size(), kCutMark) != 0) return std::nullopt;
  return InPieces(whole->substr(0, mark + kCutMark.size()));
}

std::optional<std::string> DecodeKey(std::string_view encoded) {
  const auto whole = WithoutPieces(encoded);
  if (!whole || CutGroup(encoded)) return std::nullopt;
  std::string key;
  for (std::string_view rest = *whole; !rest.empty();) {
    const auto c = NextCharacter(rest);
    if (!c) return std::nullopt;
    key += *c;
  }
  return key;
}

std::string NewId(Time now) {
  return absl::StrCat(absl::StrFormat("%0*x", int{kTimeCharacters}, now.time_since_epoch().count()), RandomId());
}

std::optional<Time> TimeOfId(std::string_view id) {
  if (id.size() != kTimeCharacters + kIdCharacters || !IsId(id.substr(kTimeCharacters))) return std::nullopt;
  std::int64_t milliseconds = 0;
  const auto [end, error] = std::from_chars(id.data(), id.data() + kTimeCharacters, milliseconds, 16);
  if (error != std::errc() || end != id.data() + kTimeCharacters) return std::nullopt;
  return Time(std::chrono::milliseconds(milliseconds));
}

}  // namespace dcac::store
