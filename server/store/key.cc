#include "server/store/key.h"

#include <algorithm>
#include <cstddef>
#include <string>

#include "absl/strings/str_cat.h"
#include "server/store/block_store.h"

namespace dcac::store {
namespace {

constexpr unsigned kDelete = 0x7F;

// How many bytes the character at the start of `text` has; 0: that is no UTF-8, or a control character.
std::size_t CharacterBytes(std::string_view text) {
  const auto at = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned first = at(0);
  if (first < 0x80) return first < 0x20 || first == kDelete ? 0 : 1;
  const std::size_t size = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4 || text.size() < size) return 0;
  unsigned code = first & (0x7Fu >> size);
  for (std::size_t i = 1; i < size; ++i) {
    if ((at(i) & 0xC0u) != 0x80) return 0;
    code = code << 6 | (at(i) & 0x3Fu);
  }
  constexpr unsigned kLeast[] = {0, 0, 0xA0, 0x800, 0x10000};  // below 0xA0 are control characters
  const bool surrogate = code >= 0xD800 && code <= 0xDFFF;
  return code < kLeast[size] || code > 0x10FFFF || surrogate ? 0 : size;
}

absl::Status CheckPart(std::string_view part) {
  if (part.empty()) return absl::InvalidArgumentError("key has an empty part, expected parts with '/' between them");
  if (part == "." || part == "..") return absl::InvalidArgumentError("key has a part \".\" or \"..\"");
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckKey(std::string_view key) {
  if (key.empty() || key.size() > kMaxKeyBytes) {
    return absl::InvalidArgumentError(absl::StrCat("key has ", key.size(), " bytes, expected 1 .. ", kMaxKeyBytes));
  }
  for (std::size_t i = 0; i < key.size();) {
    const std::size_t size = CharacterBytes(key.substr(i));
    if (size == 0) {
      return absl::InvalidArgumentError(absl::StrCat("key has no UTF-8, or a control character, at byte ", i));
    }
    i += size;
  }
  for (std::size_t begin = 0; begin <= key.size();) {
    const std::size_t end = std::min(key.find('/', begin), key.size());
    if (const absl::Status part = CheckPart(key.substr(begin, end - begin)); !part.ok()) return part;
    begin = end + 1;
  }
  return absl::OkStatus();
}

std::string_view OwnerOf(std::string_view key) {
  return key.substr(0, key.find('/'));
}

}  // namespace dcac::store
