#include "server/grant_authenticator.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace dcac::server {
namespace {

// The token of "Bearer TOKEN"; nothing where it is something else.
std::optional<std::string_view> BearerToken(std::string_view authorization) {
  constexpr std::string_view kScheme = "bearer ";
  const std::string_view scheme = authorization.substr(0, kScheme.size());
  if (!std::ranges::equal(scheme, kScheme, [](char a, char b) { return absl::ascii_tolower(a) == b; })) {
    return std::nullopt;
  }
  return authorization.substr(kScheme.size());
}

absl::Status OtherTenant() {
  return absl::PermissionDeniedError("metadata dcac-tenant names another tenant than that of the caller");
}

absl::Status MissingScope(Scope scope) {
  return absl::PermissionDeniedError(absl::StrCat("the call needs scope ", std::string(ScopeName(scope))));
}

absl::StatusOr<const Grant*> FindGrant(const Grants& grants, const Credentials& credentials) {
  if (!credentials.authorization.empty()) {
    const std::optional<std::string_view> token = BearerToken(credentials.authorization);
    if (!token) return absl::UnauthenticatedError("metadata authorization: expected Bearer TOKEN");
    const Grant* const grant = grants.FindToken(*token);
    if (grant == nullptr) return absl::UnauthenticatedError("the token is not valid");
    return grant;
  }
  if (credentials.certificate_name.empty()) {
    return absl::UnauthenticatedError("no token: expected metadata authorization: Bearer TOKEN");
  }
  const Grant* const grant = grants.FindCertificate(credentials.certificate_name);
  if (grant == nullptr) return absl::UnauthenticatedError("no token, and the client certificate stands for nobody");
  return grant;
}

}  // namespace

GrantAuthenticator::GrantAuthenticator(Grants grants, Clock clock)
    : clock_(std::move(clock)), grants_(std::make_shared<const Grants>(std::move(grants))) {}

void GrantAuthenticator::SetGrants(Grants grants) {
  auto next = std::make_shared<const Grants>(std::move(grants));
  const std::lock_guard lock(mutex_);
  grants_.swap(next);
}

absl::StatusOr<Identity> GrantAuthenticator::Authenticate(const Credentials& credentials, Scope scope) const {
  std::shared_ptr<const Grants> grants;
  {
    const std::lock_guard lock(mutex_);
    grants = grants_;
  }
  const absl::StatusOr<const Grant*> grant = FindGrant(*grants, credentials);
  if (!grant.ok()) return grant.status();
  const Grant& found = **grant;
  if (found.expiry && std::chrono::floor<std::chrono::seconds>(clock_()) >= *found.expiry)
    return absl::UnauthenticatedError("what the caller shows has expired");
  if (!credentials.tenant.empty() && credentials.tenant != found.tenant) return OtherTenant();
  if (!found.Has(scope)) return MissingScope(scope);
  return Identity{.tenant = found.tenant};
}

absl::StatusOr<Identity> CertificateAuthenticator::Authenticate(const Credentials& credentials, Scope scope) const {
  if (credentials.certificate_name.empty()) {
    return absl::UnauthenticatedError("the client certificate has no common name");
  }
  if (!credentials.tenant.empty() && credentials.tenant != credentials.certificate_name) return OtherTenant();
  if (scope == Scope::kAdmin) return MissingScope(scope);
  return Identity{.tenant = std::string(credentials.certificate_name)};
}

}  // namespace dcac::server
