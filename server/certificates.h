// Certificate, key and authority of the server, checked before they are used.
#ifndef DCAC_SERVER_CERTIFICATES_H_
#define DCAC_SERVER_CERTIFICATES_H_

#include <chrono>
#include <string>

#include "absl/status/statusor.h"
#include "server/server.h"

namespace dcac::server {

struct Certificates {
  std::string chain;  // PEM, as all below
  std::string key;
  std::string client_ca;            // empty: clients need no certificate
  std::chrono::sys_seconds expiry;  // of the first of the chain; nanoseconds end in 2262

  friend bool operator==(const Certificates&, const Certificates&) = default;
};

// Errors: those of ReadSmallFile; InvalidArgument (no PEM, the key is not that of the certificate).
absl::StatusOr<Certificates> LoadCertificates(const TlsFiles& files);

}  // namespace dcac::server

#endif  // DCAC_SERVER_CERTIFICATES_H_
