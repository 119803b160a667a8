#include "server/tls_credentials.h"

#include <grpc/grpc.h>

#include <utility>

namespace dcac::server {

void LiveCertificates::Set(Certificates certificates) {
  const std::lock_guard lock(mutex_);
  certificates_ = std::move(certificates);
  ++version_;
}

Certificates LiveCertificates::Get() const {
  const std::lock_guard lock(mutex_);
  return certificates_;
}

bool LiveCertificates::GetIfNewer(std::uint64_t* version, Certificates* certificates) const {
  const std::lock_guard lock(mutex_);
  if (*version == version_) return false;
  *version = version_;
  *certificates = certificates_;
  return true;
}

TlsCredentials::TlsCredentials(std::shared_ptr<const LiveCertificates> certificates)
    : certificates_(std::move(certificates)) {}

int TlsCredentials::AddPortToServer(const std::string& address, grpc_server* server) {
  const bool asks_client = !certificates_->Get().client_ca.empty();
  grpc_ssl_server_credentials_options* const options = grpc_ssl_server_credentials_create_options_using_config_fetcher(
      asks_client ? GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY
                  : GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE,
      Fetch, this);
  grpc_server_credentials* const credentials = grpc_ssl_server_credentials_create_with_options(options);
  const int port = grpc_server_add_http2_port(server, address.c_str(), credentials);
  grpc_server_credentials_release(credentials);
  return port;
}

grpc_ssl_certificate_config_reload_status TlsCredentials::Fetch(void* self,
                                                                grpc_ssl_server_certificate_config** config) {
  auto& credentials = *static_cast<TlsCredentials*>(self);
  Certificates certificates;
  {
    const std::lock_guard lock(credentials.mutex_);
    if (!credentials.certificates_->GetIfNewer(&credentials.version_, &certificates)) {
      return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_UNCHANGED;
    }
  }
  const grpc_ssl_pem_key_cert_pair pair{.private_key = certificates.key.c_str(),
                                        .cert_chain = certificates.chain.c_str()};
  // gRPC 1.51 insists on an authority even where it asks clients for no certificate; then it does not look at it.
  const std::string& client_ca = certificates.client_ca.empty() ? certificates.chain : certificates.client_ca;
  *config = grpc_ssl_server_certificate_config_create(client_ca.c_str(), &pair, 1);
  return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_NEW;
}

}  // namespace dcac::server
