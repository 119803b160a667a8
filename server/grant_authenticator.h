// Authenticators for servers that ask who calls.
#ifndef DCAC_SERVER_GRANT_AUTHENTICATOR_H_
#define DCAC_SERVER_GRANT_AUTHENTICATOR_H_

#include <chrono>
#include <functional>
#include <memory>
#include <mutex>

#include "server/authenticator.h"
#include "server/grants.h"

namespace dcac::server {

// By the token that a call shows, or else by its client certificate.
class GrantAuthenticator final : public Authenticator {
 public:
  using Clock = std::function<std::chrono::system_clock::time_point()>;

  explicit GrantAuthenticator(Grants grants, Clock clock = std::chrono::system_clock::now);

  absl::StatusOr<Identity> Authenticate(const Credentials& credentials, Scope scope) const override;

  // For calls from now on.
  void SetGrants(Grants grants);

 private:
  const Clock clock_;
  mutable std::mutex mutex_;
  std::shared_ptr<const Grants> grants_;  // guarded by the mutex
};

// By the client certificate alone, which the transport has verified: its common name is the tenant, which may read and
// write.
class CertificateAuthenticator final : public Authenticator {
 public:
  absl::StatusOr<Identity> Authenticate(const Credentials& credentials, Scope scope) const override;
};

}  // namespace dcac::server

#endif  // DCAC_SERVER_GRANT_AUTHENTICATOR_H_
