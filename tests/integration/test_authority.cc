#include "tests/integration/test_authority.h"

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <random>
#include <stdexcept>

namespace dcac::testing {
namespace {

constexpr long kDay = 24 * 60 * 60;

void Check(bool done) {
  if (!done) throw std::runtime_error("libcrypto");
}

template <typename Write>
std::string Pem(const Write& write) {
  const std::unique_ptr<BIO, void (*)(BIO*)> out(BIO_new(BIO_s_mem()), BIO_free_all);
  Check(write(out.get()) == 1);
  char* data = nullptr;
  const long size = BIO_get_mem_data(out.get(), &data);
  return std::string(data, static_cast<std::size_t>(size));
}

std::string Pem(X509* certificate) {
  return Pem([&](BIO* out) { return PEM_write_bio_X509(out, certificate); });
}

void AddExtension(X509* certificate, X509* issuer, int kind, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* const extension = X509V3_EXT_conf_nid(nullptr, &context, kind, value.c_str());
  Check(extension != nullptr && X509_add_ext(certificate, extension, -1) == 1);
  X509_EXTENSION_free(extension);
}

}  // namespace

TestAuthority::TestAuthority() : key_(EVP_EC_gen("P-256")) {
  Check(key_ != nullptr);
  certificate_ = Make("authority", key_.get(), Validity::kNow, true);
  certificate_pem_ = Pem(certificate_.get());
}

KeyPair TestAuthority::Issue(const std::string& common_name, Validity validity) const {
  const Key key(EVP_EC_gen("P-256"));
  Check(key != nullptr);
  const Certificate certificate = Make(common_name, key.get(), validity, false);
  return {.certificate = Pem(certificate.get()), .key = Pem([&](BIO* out) {
                                                   return PEM_write_bio_PrivateKey(out, key.get(), nullptr, nullptr, 0,
                                                                                   nullptr, nullptr);
                                                 })};
}

TestAuthority::Certificate TestAuthority::Make(const std::string& common_name, EVP_PKEY* key, Validity validity,
                                               bool is_authority) const {
  Certificate certificate(X509_new());
  X509* const made = certificate.get();
  X509* const issuer = is_authority ? made : certificate_.get();
  Check(made != nullptr && X509_set_version(made, 2) == 1 && X509_set_pubkey(made, key) == 1);
  std::random_device random;
  Check(ASN1_INTEGER_set_uint64(X509_get_serialNumber(made), random()) == 1);
  X509_gmtime_adj(X509_getm_notBefore(made), -2 * kDay);
  X509_gmtime_adj(X509_getm_notAfter(made), validity == Validity::kNow ? kDay : -kDay);
  Check(X509_NAME_add_entry_by_txt(X509_get_subject_name(made), "CN", MBSTRING_UTF8,
                                   reinterpret_cast<const unsigned char*>(common_name.c_str()), -1, -1, 0) == 1);
  Check(X509_set_issuer_name(made, X509_get_subject_name(issuer)) == 1);
  AddExtension(made, issuer, NID_basic_constraints, is_authority ? "critical,CA:TRUE" : "critical,CA:FALSE");
  if (!is_authority) AddExtension(made, issuer, NID_subject_alt_name, "DNS:" + common_name);
  Check(X509_sign(made, key_.get(), EVP_sha256()) > 0);
  return certificate;
}

}  // namespace dcac::testing
