#include "server/store/aws_signature.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <array>
#include <chrono>
#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace dcac::store {
namespace {

std::string Hex(std::string_view bytes) {
  return absl::BytesToHexString(absl::string_view(bytes.data(), bytes.size()));
}

std::string Hmac(std::string_view key, std::string_view text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> out;
  unsigned size = 0;
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), reinterpret_cast<const unsigned char*>(text.data()),
       text.size(), out.data(), &size);
  return std::string(reinterpret_cast<const char*>(out.data()), size);
}

std::string TimeStamp(Time now) {
  const auto days = std::chrono::floor<std::chrono::days>(now);
  const std::chrono::year_month_day date(days);
  const std::chrono::hh_mm_ss clock(std::chrono::floor<std::chrono::seconds>(now - days));
  return absl::StrFormat("%04d%02d%02dT%02d%02d%02dZ", static_cast<int>(date.year()),
                         static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()), clock.hours().count(),
                         clock.minutes().count(), clock.seconds().count());
}

}  // namespace

std::string UriEncoded(std::string_view text, bool keep_slashes) {
  std::string out;
  for (const char c : text) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (letter || c == '-' || c == '.' || c == '_' || c == '~' || (keep_slashes && c == '/')) {
      out += c;
    } else {
      absl::StrAppendFormat(&out, "%%%02X", static_cast<unsigned char>(c));
    }
  }
  return out;
}

std::string Sha256Hex(std::string_view text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> out;
  unsigned size = 0;
  EVP_Digest(text.data(), text.size(), out.data(), &size, EVP_sha256(), nullptr);
  return Hex({reinterpret_cast<const char*>(out.data()), size});
}

std::string CanonicalQuery(const std::map<std::string, std::string>& query) {
  std::string out;
  for (const auto& [name, value] : query) {
    absl::StrAppend(&out, out.empty() ? "" : "&", UriEncoded(name, false), "=", UriEncoded(value, false));
  }
  return out;
}

void SignRequest(const AwsCredentials& credentials, std::string_view region, std::string_view service,
                 std::string_view payload_hash, Time now, SignedParts& request) {
  const std::string stamp = TimeStamp(now);
  request.headers["x-amz-date"] = stamp;
  if (!credentials.session_token.empty()) request.headers["x-amz-security-token"] = credentials.session_token;
  std::string canonical = absl::StrCat(request.method, "\n", request.path, "\n", CanonicalQuery(request.query), "\n");
  std::string names;
  for (const auto& [name, value] : request.headers) {
    absl::StrAppend(&canonical, name, ":", value, "\n");
    absl::StrAppend(&names, names.empty() ? "" : ";", name);
  }
  absl::StrAppend(&canonical, "\n", names, "\n");
  canonical += payload_hash;
  const std::string date = stamp.substr(0, 8);
  const std::string scope = date + "/" + std::string(region) + "/" + std::string(service) + "/aws4_request";
  const std::string text = absl::StrCat("AWS4-HMAC-SHA256\n", stamp, "\n", scope, "\n", Sha256Hex(canonical));
  std::string key = Hmac("AWS4" + credentials.secret_key, date);
  for (const std::string_view part : {region, service, std::string_view("aws4_request")}) key = Hmac(key, part);
  request.headers["authorization"] = absl::StrCat("AWS4-HMAC-SHA256 Credential=", credentials.access_key, "/", scope,
                                                  ", SignedHeaders=", names, ", Signature=", Hex(Hmac(key, text)));
}

}  // namespace dcac::store
