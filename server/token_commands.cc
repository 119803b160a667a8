#include "server/token_commands.h"

#include <openssl/rand.h>

#include <array>
#include <istream>
#include <ostream>
#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/base/status_macros.h"
#include "server/grants.h"

namespace dcac::server {
namespace {

constexpr std::size_t kMinTokenLength = 20;
constexpr std::size_t kMaxTokenLength = 4096;
constexpr char kTokenPrefix[] = "dcac_";  // by which scanners for secrets know it

absl::Status CheckRequest(const NewToken& request) {
  if (!IsPlainName(request.name) || !IsPlainName(request.tenant)) {
    return absl::InvalidArgumentError(
        "name and tenant: expected 1 to 64 letters, digits, dots, - or _, not \".\" or \"..\"");
  }
  for (const std::string& scope : request.scopes) {
    if (!ParseScope(scope)) {
      return absl::InvalidArgumentError(absl::StrCat("scopes: found ", scope, ", expected read, write or admin"));
    }
  }
  return absl::OkStatus();
}

std::string HashLine(const std::string& token) {
  return absl::StrCat("sha256 = \"", HashText(HashToken(token)), "\"\n");
}

}  // namespace

absl::Status MakeToken(const NewToken& request, std::ostream& entry, std::ostream& secret) {
  DCAC_RETURN_IF_ERROR(CheckRequest(request));
  std::array<unsigned char, 32> random{};
  if (RAND_bytes(random.data(), static_cast<int>(random.size())) != 1) {
    return absl::InternalError("the system gives no random numbers");
  }
  const std::string token = absl::StrCat(
      kTokenPrefix,
      absl::WebSafeBase64Escape(absl::string_view(reinterpret_cast<const char*>(random.data()), random.size())));
  entry << absl::StrCat("[[token]]\nname = \"", request.name, "\"\ntenant = \"", request.tenant, "\"\nscopes = [\"",
                        absl::StrJoin(request.scopes, "\", \""), "\"]\n", HashLine(token));
  secret << token << "\n";
  return absl::OkStatus();
}

absl::Status PrintTokenHash(std::istream& in, std::ostream& out) {
  std::string token;
  std::getline(in, token);
  if (token.size() < kMinTokenLength || token.size() > kMaxTokenLength) {
    return absl::InvalidArgumentError(absl::StrCat("found a token of ", token.size(), " characters, expected ",
                                                   kMinTokenLength, " to ", kMaxTokenLength, " hard to guess ones"));
  }
  out << HashLine(token);
  return absl::OkStatus();
}

}  // namespace dcac::server
