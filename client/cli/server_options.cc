#include "client/cli/server_options.h"

#include <map>

namespace dcac::cli {

CLI::Option* AddServerOptions(CLI::App& command, ServerOptions& options) {
  CLI::Option* const server =
      command
          .add_option(
              "--server", options.targets,
              "Let a dcac-server do it: unix:PATH, HOST:PORT, ipv4:A:PORT,B:PORT or dns:///HOST:PORT, or several "
              "of them with commas between; also DCAC_SERVER")
          ->envname("DCAC_SERVER");
  command.add_flag("--tls", options.tls, "Talk to the server over TLS")->needs(server);
  command
      .add_option("--tls-ca", options.tls_ca,
                  "PEM file of who may sign the server's certificate; the system's "
                  "authorities unless told")
      ->needs(server);
  CLI::Option* const certificate =
      command.add_option("--tls-cert", options.tls_certificate, "PEM file of a certificate of one's own")
          ->needs(server);
  CLI::Option* const key = command.add_option("--tls-key", options.tls_key, "PEM file of the key of --tls-cert");
  certificate->needs(key);
  key->needs(certificate);
  command.add_option("--tls-server-name", options.tls_server_name, "Name in the server's certificate")->needs(server);
  command.add_option("--token-file", options.token_file, "File of the bearer token; also DCAC_TOKEN_FILE")
      ->envname("DCAC_TOKEN_FILE");
  command.add_option("--tenant", options.tenant, "Tenant that the token must belong to")->needs(server);
  return server;
}

void AddCodecOption(CLI::App& command, ServerOptions& options) {
  static const std::map<std::string, CodecPlace> kPlaces = {
      {"server", CodecPlace::kServer}, {"client", CodecPlace::kClient}, {"auto", CodecPlace::kAuto}};
  command
      .add_option("--codec", options.codec,
                  "Where tensors are worked on if there is a server; auto: where that takes less time")
      ->transform(CLI::Transformer(kPlaces))
      ->type_name("{server, client, auto}")
      ->default_str("server");
}

}  // namespace dcac::cli
