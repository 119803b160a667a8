#include <cstdio>
#include <string>

#include "dcac/client.h"

int main() {
  const auto client =
      dcac::client::Client::Connect("unix:/nonexistent/socket", {.connect_timeout = std::chrono::milliseconds(100)});
  std::printf("%s\n", std::string(client.status().message()).c_str());
  return client.status().code() == absl::StatusCode::kUnavailable ? 0 : 1;
}
