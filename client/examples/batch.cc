// Compresses many small tensors, such as the rows of a key cache, in one stream to a server.
//
//   batch TARGETS
#include <cstdio>
#include <string>
#include <vector>

#include "dcac/client.h"

int main(int argc, char** argv) {
  using dcac::client::BatchItem;
  using dcac::client::Client;
  if (argc != 2) {
    std::fprintf(stderr, "usage: batch TARGETS\n");
    return 2;
  }
  const absl::StatusOr<Client> client = Client::Connect(argv[1], {.codec = dcac::client::Codec::kServer});
  if (!client.ok()) {
    std::fprintf(stderr, "%s\n", client.status().ToString().c_str());
    return 1;
  }
  constexpr std::size_t kItems = 200, kTokens = 16, kFeatures = 64;
  std::vector<std::byte> rows(kItems * kTokens * kFeatures);
  for (std::size_t i = 0; i < rows.size(); ++i) rows[i] = static_cast<std::byte>(i % kFeatures + i / kFeatures % 3);

  std::vector<BatchItem> items(kItems);
  for (std::size_t i = 0; i < kItems; ++i) {
    items[i].spec = {.dtype = dcac::DType::kU8, .shape = {kTokens, kFeatures}, .layout = dcac::Layout::kTokens};
    items[i].data = std::span(rows).subspan(i * kTokens * kFeatures, kTokens * kFeatures);
    items[i].options.level = 1;
  }
  items[7].spec.shape = {kTokens};  // a mistake, which does the others no harm

  std::size_t frame_bytes = 0, failed = 0;
  for (const auto& frame : client->BatchCompress(items)) {
    if (frame.ok()) {
      frame_bytes += frame->size();
    } else {
      ++failed;
      std::printf("%s\n", frame.status().ToString().c_str());
    }
  }
  std::printf("%zu items, %zu => %zu bytes, %zu failed\n", kItems, rows.size(), frame_bytes, failed);
  return failed == 1 ? 0 : 1;
}
