#include "server/certificates.h"

#include <openssl/asn1.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <time.h>

#include <memory>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "server/small_file.h"

namespace dcac::server {
namespace {

template <auto kFree>
struct Free {
  template <typename T>
  void operator()(T* object) const {
    kFree(object);
  }
};
using Bio = std::unique_ptr<BIO, Free<BIO_free_all>>;
using X509Certificate = std::unique_ptr<X509, Free<X509_free>>;
using PrivateKey = std::unique_ptr<EVP_PKEY, Free<EVP_PKEY_free>>;

Bio Reader(const std::string& pem) {
  return Bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
}

// Else OpenSSL asks on the terminal for the password of a key.
int NoPassword(char*, int, int, void*) {
  return -1;
}

absl::StatusOr<std::vector<X509Certificate>> ParseCertificates(const std::string& pem, const std::string& path) {
  const Bio reader = Reader(pem);
  std::vector<X509Certificate> certificates;
  while (X509* const certificate = PEM_read_bio_X509(reader.get(), nullptr, NoPassword, nullptr)) {
    certificates.emplace_back(certificate);
  }
  const bool at_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  ERR_clear_error();
  if (certificates.empty() || !at_end) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": expected certificates in PEM"));
  }
  return certificates;
}

absl::Status CheckKey(const std::string& pem, const std::string& path, X509* certificate) {
  const Bio reader = Reader(pem);
  const PrivateKey key(PEM_read_bio_PrivateKey(reader.get(), nullptr, NoPassword, nullptr));
  const bool matches = key != nullptr && X509_check_private_key(certificate, key.get()) == 1;
  ERR_clear_error();
  if (key == nullptr) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": expected a private key in PEM, without a password"));
  }
  if (!matches) return absl::InvalidArgumentError(absl::StrCat(path, ": the key is not that of the certificate"));
  return absl::OkStatus();
}

absl::StatusOr<std::chrono::sys_seconds> ExpiryOf(const X509* certificate, const std::string& path) {
  tm time{};
  if (ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &time) != 1) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": the certificate has no valid date of expiry"));
  }
  return std::chrono::sys_seconds(std::chrono::seconds(timegm(&time)));
}

}  // namespace

absl::StatusOr<Certificates> LoadCertificates(const TlsFiles& files) {
  Certificates certificates;
  DCAC_ASSIGN_OR_RETURN(certificates.chain, ReadSmallFile(files.certificate, Secrecy::kOpen));
  DCAC_ASSIGN_OR_RETURN(certificates.key, ReadSmallFile(files.key, Secrecy::kSecret));
  DCAC_ASSIGN_OR_RETURN(const std::vector<X509Certificate> chain,
                        ParseCertificates(certificates.chain, files.certificate));
  DCAC_RETURN_IF_ERROR(CheckKey(certificates.key, files.key, chain.front().get()));
  DCAC_ASSIGN_OR_RETURN(certificates.expiry, ExpiryOf(chain.front().get(), files.certificate));
  if (!files.client_ca.empty()) {
    DCAC_ASSIGN_OR_RETURN(certificates.client_ca, ReadSmallFile(files.client_ca, Secrecy::kOpen));
    DCAC_RETURN_IF_ERROR(ParseCertificates(certificates.client_ca, files.client_ca).status());
  }
  return certificates;
}

}  // namespace dcac::server
