// Text of untrusted files as it may stand in a message: short, and without bytes that move a terminal's cursor.
#ifndef DCAC_CORE_FILES_PRINTABLE_H_
#define DCAC_CORE_FILES_PRINTABLE_H_

#include <algorithm>
#include <string>
#include <string_view>

namespace dcac::files {

// The first `most` bytes of `text`, with ? for what is no printable ASCII character.
inline std::string Printable(std::string_view text, std::size_t most = 64) {
  std::string printable(text.substr(0, most));
  std::replace_if(
      printable.begin(), printable.end(), [](char c) { return c < 0x20 || c > 0x7e; }, '?');
  return printable;
}

}  // namespace dcac::files

#endif  // DCAC_CORE_FILES_PRINTABLE_H_
