#include "client/internal/grpc_credentials.h"

#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "client/internal/small_file.h"
#include "core/base/status_macros.h"

namespace dcac::client::internal {
namespace {

// gRPC tells a file of another kind only by failing to connect.
absl::StatusOr<std::string> ReadPem(const std::string& option, const std::string& path) {
  if (path.empty()) return std::string();
  DCAC_ASSIGN_OR_RETURN(std::string text, ReadSmallFile(option, path));
  if (absl::StrContains(text, "-----BEGIN ")) return text;
  return absl::InvalidArgumentError(absl::StrCat(option, " ", path, ": is no PEM file"));
}

}  // namespace

absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> MakeCredentials(const std::optional<TlsOptions>& tls) {
  if (!tls) return grpc::InsecureChannelCredentials();
  if (tls->certificate_file.empty() != tls->key_file.empty()) {
    return absl::InvalidArgumentError("tls: certificate_file and key_file are expected together");
  }
  grpc::SslCredentialsOptions options;
  DCAC_ASSIGN_OR_RETURN(options.pem_root_certs, ReadPem("tls.ca_file", tls->ca_file));
  DCAC_ASSIGN_OR_RETURN(options.pem_cert_chain, ReadPem("tls.certificate_file", tls->certificate_file));
  DCAC_ASSIGN_OR_RETURN(options.pem_private_key, ReadPem("tls.key_file", tls->key_file));
  return grpc::SslCredentials(options);
}

}  // namespace dcac::client::internal
