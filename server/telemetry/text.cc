#include "server/telemetry/text.h"

#include <nlohmann/json.hpp>

namespace dcac::server {

std::string JsonString(std::string_view text) {
  return nlohmann::json(text).dump(-1, ' ', /*ensure_ascii=*/true, nlohmann::json::error_handler_t::replace);
}

std::string HtmlText(std::string_view text) {
  // The JSON library knows UTF-8: what comes back from it is sound.
  const std::string sound = nlohmann::json::parse(JsonString(text)).get<std::string>();
  std::string html;
  html.reserve(sound.size());
  for (const char c : sound) {
    switch (c) {
      case '&':
        html += "&amp;";
        break;
      case '<':
        html += "&lt;";
        break;
      case '>':
        html += "&gt;";
        break;
      case '"':
        html += "&quot;";
        break;
      case '\'':
        html += "&#39;";
        break;
      default:
        if (static_cast<unsigned char>(c) < ' ' || c == 0x7f) {
          html += "\xef\xbf\xbd";
        } else {
          html += c;
        }
    }
  }
  return html;
}

}  // namespace dcac::server
