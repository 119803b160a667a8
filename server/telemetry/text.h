// Texts from anywhere, made harmless for where they are written.
#ifndef DCAC_SERVER_TELEMETRY_TEXT_H_
#define DCAC_SERVER_TELEMETRY_TEXT_H_

#include <string>
#include <string_view>

namespace dcac::server {

// A JSON string with its quotes, in ASCII; bytes that are no UTF-8 become U+FFFD.
std::string JsonString(std::string_view text);

// For the content of an HTML element and for quoted attributes; control characters and bytes that are no UTF-8 become
// U+FFFD.
std::string HtmlText(std::string_view text);

}  // namespace dcac::server

#endif  // DCAC_SERVER_TELEMETRY_TEXT_H_
