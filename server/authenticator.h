// Who makes a call, and whether they may.
#ifndef DCAC_SERVER_AUTHENTICATOR_H_
#define DCAC_SERVER_AUTHENTICATOR_H_

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "server/call_info.h"

namespace dcac::server {

// What a call shows of its maker; empty where it shows nothing.
struct Credentials {
  std::string_view authorization;     // metadata "authorization"
  std::string_view tenant;            // metadata "dcac-tenant"
  std::string_view certificate_name;  // common name of the client certificate, which the transport has verified
};

struct Identity {
  std::string tenant;  // empty: nobody in particular
};

// Thread-safe.
class Authenticator {
 public:
  virtual ~Authenticator() = default;

  // Errors: Unauthenticated (no token, or one that is unknown or has expired), PermissionDenied (the token lacks
  // `scope`, or belongs to another tenant).  Messages say nothing about tokens.
  virtual absl::StatusOr<Identity> Authenticate(const Credentials& credentials, Scope scope) const = 0;
};

// Where the server asks for no tokens.
class NoAuthenticator final : public Authenticator {
 public:
  absl::StatusOr<Identity> Authenticate(const Credentials&, Scope) const override { return Identity(); }
};

}  // namespace dcac::server

#endif  // DCAC_SERVER_AUTHENTICATOR_H_
