// What the integration tests share.
#ifndef DCAC_TESTS_INTEGRATION_FIXTURE_H_
#define DCAC_TESTS_INTEGRATION_FIXTURE_H_

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "dcac/client.h"
#include "dcac/tensor.h"
#include "server/server.h"

namespace dcac::testing {

using Bytes = std::vector<std::byte>;

// A folder of its own, removed at the end.
class TempFolder {
 public:
  TempFolder();
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  ~TempFolder();
  std::string File(const std::string& name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

// A server in this process on a free port of the loopback interface.
server::ServerOptions LoopbackOptions();
std::unique_ptr<server::Server> StartServer(const server::ServerOptions& options = LoopbackOptions());
client::Client ConnectTo(const std::string& address, client::ClientOptions options = {});  // its codec is the server's

std::vector<std::string> TestDataFiles();      // names of the .npy files, sorted
Tensor LoadNpy(const std::string& file_name);  // of the test data

// A smooth tensor of [items, 8, 64, 64] bytes, 32 KiB each.
Tensor MakeTensor(std::uint64_t items);

// Gives `bytes` in pieces of `piece_bytes`, and before each calls `before` with the number of bytes given so far.
client::ChunkSource PiecewiseSource(
    std::span<const std::byte> bytes, std::size_t piece_bytes,
    std::function<void(std::size_t)> before = [](std::size_t) {});
client::ChunkSink AppendTo(Bytes* out);

// Waits until `condition` holds; false after a time that only a hung server takes.
bool Eventually(const std::function<bool()>& condition);

}  // namespace dcac::testing

#endif  // DCAC_TESTS_INTEGRATION_FIXTURE_H_
