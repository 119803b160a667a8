#include "tests/integration/fixture.h"

#include <stdlib.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <thread>
#include <utility>

#include "core/files/npy.h"
#include "tests/integration/raw_calls.h"

namespace dcac::testing {
namespace {

template <typename T>
T ValueOrThrow(absl::StatusOr<T> result) {
  if (!result.ok()) throw std::runtime_error(result.status().ToString());
  return *std::move(result);
}

}  // namespace

TempFolder::TempFolder() {
  std::string pattern = (std::filesystem::temp_directory_path() / "dcac-XXXXXX").string();
  if (mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("mkdtemp " + pattern);
  path_ = pattern;
}

TempFolder::~TempFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

server::ServerOptions LoopbackOptions() {
  server::ServerOptions options;
  options.listen = {"127.0.0.1:0"};
  options.threads = 2;
  options.lame_duck = std::chrono::milliseconds(0);
  return options;
}

std::unique_ptr<server::Server> StartServer(const server::ServerOptions& options) {
  return ValueOrThrow(server::Server::Start(options));
}

client::Client ConnectTo(const std::string& address, client::ClientOptions options) {
  options.codec = client::Codec::kServer;
  return ValueOrThrow(client::Client::Connect(address, options));
}

std::vector<std::string> TestDataFiles() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(DCAC_TEST_DATA_DIR)) {
    if (entry.path().extension() == ".npy") names.push_back(entry.path().filename().string());
  }
  std::ranges::sort(names);
  return names;
}

Tensor LoadNpy(const std::string& file_name) {
  std::ifstream in(std::filesystem::path(DCAC_TEST_DATA_DIR) / file_name, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  const auto bytes = std::as_bytes(std::span(text));
  const std::size_t header_bytes =
      ValueOrThrow(files::NpyHeaderBytes(bytes.first(std::min(bytes.size(), files::kNpyPreambleBytes))));
  Tensor tensor{ValueOrThrow(files::ParseNpyHeader(bytes.first(header_bytes))), {}};
  if (file_name.ends_with(".bf16.npy")) tensor.spec.dtype = DType::kBF16;
  tensor.data.assign(bytes.begin() + static_cast<std::ptrdiff_t>(header_bytes), bytes.end());
  return tensor;
}

Tensor MakeTensor(std::uint64_t items) {
  Tensor tensor{{DType::kU8, {items, 8, 64, 64}, Layout::kNchw}, Bytes(items * 8 * 64 * 64)};
  std::uint32_t noise = 1;
  for (std::size_t i = 0; i < tensor.data.size(); ++i) {
    noise = noise * 1664525 + 1013904223;
    tensor.data[i] = static_cast<std::byte>(i % 64 * 2 + i / 64 % 64 + (noise >> 30));
  }
  return tensor;
}

client::ChunkSource PiecewiseSource(std::span<const std::byte> bytes, std::size_t piece_bytes,
                                    std::function<void(std::size_t)> before) {
  return [=, given = std::size_t{0}]() mutable -> absl::StatusOr<std::span<const std::byte>> {
    before(given);
    const auto piece = bytes.subspan(given, std::min(piece_bytes, bytes.size() - given));
    given += piece.size();
    return piece;
  };
}

client::ChunkSink AppendTo(Bytes* out) {
  return [out](std::span<const std::byte> bytes) {
    out->insert(out->end(), bytes.begin(), bytes.end());
    return absl::OkStatus();
  };
}

bool Eventually(const std::function<bool()>& condition) {
  const auto end = std::chrono::steady_clock::now() + kHung;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

}  // namespace dcac::testing
