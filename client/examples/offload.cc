// Parks the activations of layers in the store of a server and takes them back in reverse order, as a backward pass
// would, while the next one is on its way already.
//
//   offload TARGETS        for example unix:/run/dcac/dcac.sock
#include <chrono>
#include <cstdio>
#include <future>
#include <string>
#include <vector>

#include "dcac/client_store.h"

namespace {

constexpr int kLayers = 6;

dcac::Tensor MakeActivation(int layer) {
  dcac::Tensor tensor{.spec = {.dtype = dcac::DType::kU8, .shape = {1, 16, 32, 32}}, .data = {}};
  for (int i = 0; i < 16 * 32 * 32; ++i) tensor.data.push_back(static_cast<std::byte>((i * (layer + 1) / 32) % 200));
  return tensor;
}

std::string KeyOf(int layer) {
  return "example/" + std::to_string(layer) + "/request-1";
}

int Fail(const absl::Status& status) {
  std::fprintf(stderr, "%s\n", status.ToString().c_str());
  return 1;
}

// Memory: two tensors, the one that is used and the one that is fetched.
absl::Status TakeBack(const dcac::client::Store& store) {
  const auto fetch = [&store](int layer) {
    return std::async(std::launch::async, [&store, layer] { return store.Get(KeyOf(layer)); });
  };
  auto next = fetch(kLayers - 1);
  for (int layer = kLayers - 1; layer >= 0; --layer) {
    const absl::StatusOr<dcac::client::StoredTensor> got = next.get();
    if (!got.ok()) return got.status();
    if (layer > 0) next = fetch(layer - 1);
    if (got->tensor.data != MakeActivation(layer).data) return absl::DataLossError("another tensor");
  }
  return absl::OkStatus();
}

}  // namespace

int main(int argc, char** argv) {
  using dcac::client::Client;
  using dcac::client::Codec;
  if (argc != 2) {
    std::fprintf(stderr, "usage: offload TARGETS\n");
    return 2;
  }
  absl::StatusOr<Client> client = Client::Connect(argv[1], {.deadline = std::chrono::seconds(60)});
  if (!client.ok()) return Fail(client.status());
  const dcac::client::Store store(*std::move(client));

  for (int layer = 0; layer < kLayers; ++layer) {
    const dcac::Tensor tensor = MakeActivation(layer);
    // Compressed here, or at the server: what is stored is the same.
    const Codec codec = layer % 2 == 0 ? Codec::kClient : Codec::kServer;
    const auto object =
        store.Put(KeyOf(layer), tensor.spec, tensor.data, {.ttl = std::chrono::minutes(10)}, {.codec = codec});
    if (!object.ok()) return Fail(object.status());
    std::printf("%s: %zu => %zu bytes\n", object->key.c_str(), tensor.data.size(),
                static_cast<std::size_t>(object->stored_bytes));
  }
  if (const absl::Status status = TakeBack(store); !status.ok()) return Fail(status);

  // Some planes alone: the server reads and decodes no more than their segments.
  const auto part = store.Get(KeyOf(0), {.slice = dcac::Slice{.plane_begin = 4, .plane_end = 8}});
  if (!part.ok()) return Fail(part.status());
  const auto there = store.Get(KeyOf(0), {}, {.codec = Codec::kServer});
  if (!there.ok()) return Fail(there.status());
  std::printf("%zu of %zu bytes\n", part->tensor.data.size(), there->tensor.data.size());
  const auto deleted = store.DeletePrefix("example/");
  if (!deleted.ok()) return Fail(deleted.status());
  return deleted->deleted_objects == kLayers ? 0 : 1;
}
