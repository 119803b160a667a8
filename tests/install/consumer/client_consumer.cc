// Uses the installed client library; there is no server, so what needs one ends with an error.
#include <chrono>
#include <cstdio>
#include <string>

#include "dcac/client.h"

int main() {
  using dcac::client::Client;
  using dcac::client::ClientOptions;
  ClientOptions options;
  options.connect_timeout = std::chrono::milliseconds(100);
  options.codec = dcac::client::Codec::kAuto;
  options.tls = dcac::client::TlsOptions{.ca_file = "/nonexistent"};
  const auto no_file = Client::Connect("unix:/nonexistent/a,unix:/nonexistent/b", options);
  options.tls.reset();
  const auto no_server = Client::Connect("unix:/nonexistent/a,unix:/nonexistent/b", options);
  std::printf("%s\n%s\n", no_file.status().ToString().c_str(), no_server.status().ToString().c_str());
  return no_file.status().code() == absl::StatusCode::kInvalidArgument &&
                 no_server.status().code() == absl::StatusCode::kUnavailable
             ? 0
             : 1;
}
