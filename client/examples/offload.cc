// Parks the activations of layers in the store of a server and takes them back in reverse order, as a backward pass
// would, while the next one is on its way already.
//
//   offload TARGETS        for example unix:/run/dcac/dcac.sock
#include <chrono>
#include <cstdio>
#include <span>
#include <string>
#include <vector>

#include "dcac/client_prefetcher.h"
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

// The ones that are needed next are fetched while one is used.
absl::Status TakeBack(const dcac::client::Store& store) {
  std::vector<std::string> keys;
  for (int layer = kLayers - 1; layer >= 0; --layer) keys.push_back(KeyOf(layer));
  auto prefetcher = dcac::client::Prefetcher::Start(store, keys, {.max_in_flight = 2, .max_bytes = 1 << 20});
  if (!prefetcher.ok()) return prefetcher.status();
  for (int layer = kLayers - 1; layer >= 0; --layer) {
    const absl::StatusOr<dcac::client::StoredTensor> got = *prefetcher->Next();
    if (!got.ok()) return got.status();
    if (got->tensor.data != MakeActivation(layer).data) return absl::DataLossError("another tensor");
  }
  return absl::OkStatus();
}

// Small tensors, such as those of single tokens, go in one stream.
absl::Status ParkSmallOnes(const dcac::client::Store& store) {
  const dcac::TensorSpec spec{.dtype = dcac::DType::kU8, .shape = {1, 1, 16, 16}};
  const dcac::Tensor tensor = MakeActivation(0);
  std::vector<dcac::client::PutItem> items;
  std::vector<std::string> keys;
  for (int token = 0; token < 32; ++token) {
    keys.push_back("example/token/" + std::to_string(token));
    items.push_back({.key = keys.back(), .spec = spec, .data = std::span(tensor.data).subspan(token * 16, 256)});
  }
  for (const auto& object : store.BatchPut(items)) {
    if (!object.ok()) return object.status();
  }
  for (const auto& got : store.BatchGet(keys)) {
    if (!got.ok()) return got.status();
  }
  return store.DeletePrefix("example/token/").status();
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
  if (const absl::Status status = ParkSmallOnes(store); !status.ok()) return Fail(status);

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
