#include "server/option_checks.h"

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "server/listen_address.h"
#include "server/open_store.h"

namespace dcac::server {
namespace {

constexpr int kMaxThreads = 1024;

absl::Status CheckTls(const TlsFiles& tls) {
  if (tls.certificate.empty() != tls.key.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(tls.certificate.empty()
                                                       ? "tls_key_file without tls_certificate_file"
                                                       : "tls_certificate_file without tls_key_file",
                                                   ": expected both or none"));
  }
  if (!tls.client_ca.empty() && tls.certificate.empty()) {
    return absl::InvalidArgumentError("tls_client_ca_file without tls_certificate_file and tls_key_file");
  }
  return absl::OkStatus();
}

bool HasTls(const ServerOptions& options) {
  return !options.tls.certificate.empty();
}

bool HasAuthentication(const ServerOptions& options) {
  return !options.token_file.empty() || !options.tls.client_ca.empty();
}

bool IsGuarded(const ListenAddress& address, const ServerOptions& options) {
  return address.is_private || (HasTls(options) && HasAuthentication(options));
}

absl::Status CheckAddress(const std::string& text, const ServerOptions& options) {
  DCAC_ASSIGN_OR_RETURN(const ListenAddress address, ParseListenAddress(text));
  if (options.insecure || IsGuarded(address, options)) return absl::OkStatus();
  const char* const found = HasTls(options)              ? "TLS alone"
                            : HasAuthentication(options) ? "authentication alone"
                                                         : "neither";
  return absl::InvalidArgumentError(
      absl::StrCat("listen: ", text, " can be reached from other machines, which takes TLS (tls_certificate_file, ",
                   "tls_key_file) and authentication (token_file or tls_client_ca_file); found ", found,
                   "; --insecure listens without"));
}

// Metrics are told to whoever connects, in plain text.
absl::Status CheckMetricsAddress(const ServerOptions& options) {
  if (options.metrics_listen.empty()) return absl::OkStatus();
  DCAC_ASSIGN_OR_RETURN(const ListenAddress address, ParseListenAddress(options.metrics_listen));
  if (address.is_unix) {
    return absl::InvalidArgumentError(
        absl::StrCat("metrics_listen: found ", options.metrics_listen, ", expected HOST:PORT"));
  }
  if (address.is_private || options.metrics_allow_remote || options.insecure) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("metrics_listen: ", options.metrics_listen,
                                                 " can be reached from other machines, which takes ",
                                                 "--metrics-allow-remote or --insecure"));
}

}  // namespace

absl::Status CheckOptions(const ServerOptions& options) {
  if (options.listen.empty()) return absl::InvalidArgumentError("no address to listen on");
  if (options.threads < 0 || options.threads > kMaxThreads) {
    return absl::InvalidArgumentError(absl::StrCat("threads: ", options.threads, " is not in 0..", kMaxThreads));
  }
  DCAC_RETURN_IF_ERROR(CheckTls(options.tls));
  for (const std::string& text : options.listen) DCAC_RETURN_IF_ERROR(CheckAddress(text, options));
  DCAC_RETURN_IF_ERROR(CheckMetricsAddress(options));
  return CheckStoreLocation(options.store.location);
}

std::vector<Notice> OptionWarnings(const ServerOptions& options) {
  std::vector<Notice> warnings;
  for (const std::string& text : options.listen) {
    const absl::StatusOr<ListenAddress> address = ParseListenAddress(text);
    if (address.ok() && !IsGuarded(*address, options)) {
      warnings.push_back({.is_problem = true,
                          .text = absl::StrCat("insecure: ", text, " can be reached from other machines without ",
                                               HasTls(options) ? "authentication" : "TLS")});
    }
  }
  return warnings;
}

}  // namespace dcac::server
