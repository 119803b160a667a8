// TLS for listeners, with certificates that may change while the server runs.
#ifndef DCAC_SERVER_TLS_CREDENTIALS_H_
#define DCAC_SERVER_TLS_CREDENTIALS_H_

#include <grpc/grpc_security.h>
#include <grpcpp/security/server_credentials.h>

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>

#include "server/certificates.h"

namespace dcac::server {

// The certificates of all listeners.  Thread-safe.
class LiveCertificates {
 public:
  explicit LiveCertificates(Certificates certificates) : certificates_(std::move(certificates)) {}

  // For handshakes from now on; connections stay as they are.
  void Set(Certificates certificates);
  Certificates Get() const;

  // The certificates if they are not those of `version`, which they then become; the first is 1.
  bool GetIfNewer(std::uint64_t* version, Certificates* certificates) const;

 private:
  mutable std::mutex mutex_;  // guards all below
  Certificates certificates_;
  std::uint64_t version_ = 1;
};

// Of one listener: TLS 1.2 and later, with client certificates where there is an authority for them.  gRPC asks for the
// certificates at each handshake.  Its own reloading (experimental in 1.51) would take a key that does not fit and then
// refuse all connections.
class TlsCredentials final : public grpc::ServerCredentials {
 public:
  explicit TlsCredentials(std::shared_ptr<const LiveCertificates> certificates);

  void SetAuthMetadataProcessor(const std::shared_ptr<grpc::AuthMetadataProcessor>&) override {}

 private:
  int AddPortToServer(const std::string& address, grpc_server* server) override;
  static grpc_ssl_certificate_config_reload_status Fetch(void* self, grpc_ssl_server_certificate_config** config);

  const std::shared_ptr<const LiveCertificates> certificates_;
  std::mutex mutex_;
  std::uint64_t version_ = 0;  // that gRPC has; guarded by the mutex
};

}  // namespace dcac::server

#endif  // DCAC_SERVER_TLS_CREDENTIALS_H_
