// Which server a verb uses, and as whom.
#ifndef DCAC_CLIENT_CLI_SERVER_OPTIONS_H_
#define DCAC_CLIENT_CLI_SERVER_OPTIONS_H_

#include <CLI/CLI.hpp>
#include <string>

namespace dcac::cli {

// Where tensors are encoded and decoded, if there is a server.
enum class CodecPlace { kServer, kClient, kAuto };

struct ServerOptions {
  std::string targets;  // empty: no server
  bool tls = false;     // one of the following may ask for it too
  std::string tls_ca;
  std::string tls_certificate;
  std::string tls_key;
  std::string tls_server_name;
  std::string token_file;
  std::string tenant;
  CodecPlace codec = CodecPlace::kServer;

  // Whether a server encodes and decodes, at least some of the tensors.
  bool works() const { return !targets.empty() && codec != CodecPlace::kClient; }
};

// --server and what belongs to it.  Returns --server, to be made required.
CLI::Option* AddServerOptions(CLI::App& command, ServerOptions& options);

// --codec.
void AddCodecOption(CLI::App& command, ServerOptions& options);

}  // namespace dcac::cli

#endif  // DCAC_CLIENT_CLI_SERVER_OPTIONS_H_
