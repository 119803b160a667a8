// Compresses the layers of a network while it computes the next ones: calls go to the background, results are collected
// when they are needed, and a token stops what is left.
//
//   async_pipeline TARGETS
#include <cstdio>
#include <future>
#include <string>
#include <vector>

#include "dcac/client.h"

namespace {

using dcac::client::Client;
using Frame = absl::StatusOr<std::vector<std::byte>>;

constexpr int kLayers = 12;

// Stands for the forward pass of a layer.
dcac::Tensor ComputeLayer(int layer) {
  dcac::Tensor tensor{.spec = {.dtype = dcac::DType::kU8, .shape = {1, 16, 64, 64}}, .data = {}};
  for (int i = 0; i < 16 * 64 * 64; ++i) tensor.data.push_back(static_cast<std::byte>(i % 64 * layer + i / 64 % 64));
  return tensor;
}

int Fail(const absl::Status& status) {
  std::fprintf(stderr, "%s\n", status.ToString().c_str());
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: async_pipeline TARGETS\n");
    return 2;
  }
  // Each call goes where it takes less time: the client measures.
  const absl::StatusOr<Client> client =
      Client::Connect(argv[1], {.codec = dcac::client::Codec::kAuto, .async_threads = 4});
  if (!client.ok()) return Fail(client.status());

  // Tensors must stay where they are until their results are there.
  std::vector<dcac::Tensor> layers(kLayers);
  std::vector<std::future<Frame>> frames;
  const dcac::client::CancelToken stop;
  for (int i = 0; i < kLayers; ++i) {
    layers[i] = ComputeLayer(i);
    frames.push_back(client->CompressAsync(layers[i].spec, layers[i].data, {.level = 2}, {.cancel = stop}));
  }
  std::size_t raw_bytes = 0, frame_bytes = 0;
  absl::Status failure;
  for (int i = 0; i < kLayers; ++i) {
    const Frame frame = frames[i].get();
    if (!frame.ok()) {
      if (failure.ok()) failure = frame.status();
      stop.Cancel();  // the others are of no use any more
      continue;
    }
    raw_bytes += layers[i].data.size();
    frame_bytes += frame->size();
  }
  if (!failure.ok()) return Fail(failure);
  std::printf("%d layers, %zu => %zu bytes\n", kLayers, raw_bytes, frame_bytes);

  // A callback instead of a future.
  std::promise<absl::Status> done;
  const Frame frame = client->Compress(layers[0].spec, layers[0].data);
  if (!frame.ok()) return Fail(frame.status());
  client->DecompressAsync(*frame, {}, [&](const absl::StatusOr<dcac::Tensor>& tensor) {
    done.set_value(tensor.ok() && tensor->data != layers[0].data ? absl::DataLossError("another tensor")
                                                                 : tensor.status());
  });
  const absl::Status restored = done.get_future().get();
  if (!restored.ok()) return Fail(restored);
  std::printf("restored\n");
  return 0;
}
