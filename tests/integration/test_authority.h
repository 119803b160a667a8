// Certificates for tests, made anew in every run.
#ifndef DCAC_TESTS_INTEGRATION_TEST_AUTHORITY_H_
#define DCAC_TESTS_INTEGRATION_TEST_AUTHORITY_H_

#include <openssl/evp.h>
#include <openssl/x509.h>

#include <memory>
#include <string>

namespace dcac::testing {

// In PEM.
struct KeyPair {
  std::string certificate;
  std::string key;
};

enum class Validity { kNow, kExpired };

class TestAuthority {
 public:
  TestAuthority();

  const std::string& certificate() const { return certificate_pem_; }

  // Its common name is also the host that it stands for.
  KeyPair Issue(const std::string& common_name, Validity validity = Validity::kNow) const;

 private:
  struct FreeKey {
    void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  };
  struct FreeCertificate {
    void operator()(X509* certificate) const { X509_free(certificate); }
  };
  using Key = std::unique_ptr<EVP_PKEY, FreeKey>;
  using Certificate = std::unique_ptr<X509, FreeCertificate>;

  Certificate Make(const std::string& common_name, EVP_PKEY* key, Validity validity, bool is_authority) const;

  Key key_;
  Certificate certificate_;
  std::string certificate_pem_;
};

}  // namespace dcac::testing

#endif  // DCAC_TESTS_INTEGRATION_TEST_AUTHORITY_H_
