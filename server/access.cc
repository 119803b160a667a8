#include "server/access.h"

#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "core/base/status_macros.h"
#include "server/certificates.h"
#include "server/small_file.h"

namespace dcac::server {
namespace {

std::string Date(std::chrono::sys_seconds time) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", absl::FromUnixSeconds(time.time_since_epoch().count()),
                          absl::UTCTimeZone());
}

bool HasExpired(const Certificates& certificates) {
  return certificates.expiry <= std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
}

Notice Kept(const char* what, const absl::Status& why) {
  return {.is_problem = true, .text = absl::StrCat(what, " stay as they were: ", std::string(why.message()))};
}

}  // namespace

Access::Access(TlsFiles tls_files, std::string token_file)
    : tls_files_(std::move(tls_files)), token_file_(std::move(token_file)) {}

absl::StatusOr<std::unique_ptr<Access>> Access::Load(const ServerOptions& options) {
  std::unique_ptr<Access> access(new Access(options.tls, options.token_file));
  if (!options.tls.certificate.empty()) {
    DCAC_ASSIGN_OR_RETURN(Certificates certificates, LoadCertificates(options.tls));
    access->certificates_ = std::make_shared<LiveCertificates>(std::move(certificates));
  }
  if (!options.token_file.empty()) {
    DCAC_ASSIGN_OR_RETURN(access->token_text_, ReadSmallFile(options.token_file, Secrecy::kSecret));
    DCAC_ASSIGN_OR_RETURN(Grants grants, Grants::Parse(access->token_text_, options.token_file));
    auto authenticator = std::make_unique<GrantAuthenticator>(std::move(grants));
    access->grants_ = authenticator.get();
    access->authenticator_ = std::move(authenticator);
  } else if (!options.tls.client_ca.empty()) {
    access->authenticator_ = std::make_unique<CertificateAuthenticator>();
  } else {
    access->authenticator_ = std::make_unique<NoAuthenticator>();
  }
  return access;
}

std::shared_ptr<grpc::ServerCredentials> Access::ListenerCredentials(bool is_unix) const {
  if (is_unix || certificates_ == nullptr) return grpc::InsecureServerCredentials();
  return std::make_shared<TlsCredentials>(certificates_);
}

std::optional<std::chrono::sys_seconds> Access::CertificateExpiry() const {
  if (certificates_ == nullptr) return std::nullopt;
  return certificates_->Get().expiry;
}

std::vector<Notice> Access::Warnings() const {
  if (certificates_ == nullptr || !HasExpired(certificates_->Get())) return {};
  return {{.is_problem = true,
           .text = absl::StrCat("the certificate of the server has expired, on ", Date(certificates_->Get().expiry))}};
}

std::vector<Notice> Access::Reload() {
  std::vector<Notice> notices;
  if (certificates_ != nullptr) ReloadCertificates(notices);
  if (grants_ != nullptr) ReloadGrants(notices);
  return notices;
}

void Access::ReloadCertificates(std::vector<Notice>& notices) {
  absl::StatusOr<Certificates> next = LoadCertificates(tls_files_);
  const Certificates current = certificates_->Get();
  if (next.ok() && *next == current) return;
  if (next.ok() && HasExpired(*next) && !HasExpired(current)) {
    next = absl::InvalidArgumentError(absl::StrCat("the new one has expired, on ", Date(next->expiry)));
  }
  if (!next.ok()) {
    notices.push_back(Kept("certificates", next.status()));
    return;
  }
  notices.push_back({.text = absl::StrCat("certificates: read anew, valid until ", Date(next->expiry))});
  certificates_->Set(*std::move(next));
}

void Access::ReloadGrants(std::vector<Notice>& notices) {
  absl::StatusOr<std::string> text = ReadSmallFile(token_file_, Secrecy::kSecret);
  if (text.ok() && *text == token_text_) return;
  absl::StatusOr<Grants> grants = text.ok() ? Grants::Parse(*text, token_file_) : text.status();
  if (!grants.ok()) {
    notices.push_back(Kept("tokens", grants.status()));
    return;
  }
  notices.push_back({.text = absl::StrCat("tokens: read anew, ", grants->num_tokens(), " tokens and ",
                                          grants->num_certificates(), " names of certificates")});
  token_text_ = *std::move(text);
  grants_->SetGrants(*std::move(grants));
}

}  // namespace dcac::server
