#include "server/grants.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <algorithm>
#include <stdexcept>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"

namespace dcac::server {

TokenHash HashToken(std::string_view token) {
  TokenHash hash{};
  unsigned int size = 0;
  if (EVP_Digest(token.data(), token.size(), hash.data(), &size, EVP_sha256(), nullptr) != 1 || size != hash.size()) {
    throw std::runtime_error("SHA-256 failed");
  }
  return hash;
}

std::string HashText(const TokenHash& hash) {
  return absl::BytesToHexString(absl::string_view(reinterpret_cast<const char*>(hash.data()), hash.size()));
}

bool Grant::Has(Scope scope) const {
  return scope == Scope::kAny || std::ranges::find(scopes, scope) != scopes.end();
}

const Grant* Grants::FindToken(std::string_view token) const {
  const TokenHash hash = HashToken(token);
  const Grant* found = nullptr;
  for (const Token& each : tokens_) {
    if (CRYPTO_memcmp(each.hash.data(), hash.data(), hash.size()) == 0) found = &each.grant;
  }
  return found;
}

const Grant* Grants::FindCertificate(std::string_view common_name) const {
  const auto found = std::ranges::find(certificates_, common_name, &Certificate::common_name);
  return found == certificates_.end() ? nullptr : &found->grant;
}

std::string_view ScopeName(Scope scope) {
  switch (scope) {
    case Scope::kAny:
      return "any";
    case Scope::kRead:
      return "read";
    case Scope::kWrite:
      return "write";
    case Scope::kAdmin:
      return "admin";
  }
  return "unknown";
}

std::optional<Scope> ParseScope(std::string_view name) {
  for (const Scope scope : {Scope::kRead, Scope::kWrite, Scope::kAdmin}) {
    if (name == ScopeName(scope)) return scope;
  }
  return std::nullopt;
}

bool IsPlainName(std::string_view name) {
  constexpr std::size_t kMaxLength = 64;
  if (name == "." || name == "..") return false;  // no part of a key
  return !name.empty() && name.size() <= kMaxLength && std::ranges::all_of(name, [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '_' || c == '.';
  });
}

}  // namespace dcac::server
