// Who may do what: tokens and names of client certificates, each with a tenant and scopes.
//
//   [[token]]
//   name = "training"                     # in logs
//   tenant = "vision"
//   scopes = ["read", "write"]            # of read, write, admin
//   sha256 = "9f86d081884c7d65..."        # of the token; dcac-server new-token makes one
//   expires = 2030-01-01T00:00:00Z        # optional
//
//   [[certificate]]                       # of clients that show no token, by the common name of their certificate
//   common_name = "trainer-7"
//   name = "trainer", tenant, scopes, expires as above
#ifndef DCAC_SERVER_GRANTS_H_
#define DCAC_SERVER_GRANTS_H_

#include <array>
#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "server/call_info.h"

namespace dcac::server {

using TokenHash = std::array<unsigned char, 32>;  // SHA-256

TokenHash HashToken(std::string_view token);
std::string HashText(const TokenHash& hash);  // hexadecimal

struct Grant {
  std::string name;
  std::string tenant;
  std::vector<Scope> scopes;
  std::optional<std::chrono::sys_seconds> expiry;  // nanoseconds end in 2262

  bool Has(Scope scope) const;
};

class Grants {
 public:
  // `file` is what errors call it.
  // Errors: InvalidArgument with file and line.
  static absl::StatusOr<Grants> Parse(std::string_view text, const std::string& file);

  // Takes the same time whichever token it is, or none.
  const Grant* FindToken(std::string_view token) const;
  const Grant* FindCertificate(std::string_view common_name) const;

  std::size_t num_tokens() const { return tokens_.size(); }
  std::size_t num_certificates() const { return certificates_.size(); }

 private:
  struct Token {
    TokenHash hash;
    Grant grant;
  };
  struct Certificate {
    std::string common_name;
    Grant grant;
  };
  friend class GrantsParser;

  std::vector<Token> tokens_;
  std::vector<Certificate> certificates_;
};

std::string_view ScopeName(Scope scope);
std::optional<Scope> ParseScope(std::string_view name);  // read, write, admin

// Letters, digits, - _ . and at most 64 of them: fit for logs and metrics.
bool IsPlainName(std::string_view name);

}  // namespace dcac::server

#endif  // DCAC_SERVER_GRANTS_H_
