// Who may connect and call: certificates and grants, from the files that the options name.
#ifndef DCAC_SERVER_ACCESS_H_
#define DCAC_SERVER_ACCESS_H_

#include <grpcpp/security/server_credentials.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/authenticator.h"
#include "server/grant_authenticator.h"
#include "server/notice.h"
#include "server/server.h"
#include "server/tls_credentials.h"

namespace dcac::server {

class Access {
 public:
  // Reads the files.  Errors: those of LoadCertificates and Grants::Parse.
  static absl::StatusOr<std::unique_ptr<Access>> Load(const ServerOptions& options);

  const Authenticator& authenticator() const { return *authenticator_; }

  // For one more listener.
  std::shared_ptr<grpc::ServerCredentials> ListenerCredentials(bool is_unix) const;

  // Reads the files again; what is wrong with one leaves what it gave before.  One thread at a time.
  // Returns what changed or went wrong, for the log.
  std::vector<Notice> Reload();

  // Of the server; nothing where there is no TLS.  Thread-safe.
  std::optional<std::chrono::sys_seconds> CertificateExpiry() const;

  std::vector<Notice> Warnings() const;  // for the log at the start

 private:
  Access(TlsFiles tls_files, std::string token_file);

  void ReloadCertificates(std::vector<Notice>& notices);
  void ReloadGrants(std::vector<Notice>& notices);

  const TlsFiles tls_files_;
  const std::string token_file_;
  std::string token_text_;
  std::shared_ptr<LiveCertificates> certificates_;  // null: plain text
  GrantAuthenticator* grants_ = nullptr;            // the authenticator, where there is a token file
  std::unique_ptr<Authenticator> authenticator_;
};

}  // namespace dcac::server

#endif  // DCAC_SERVER_ACCESS_H_
