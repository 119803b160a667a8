// Compresses one tensor in this process, restores it at a server, and shows what a call may be told.
//
//   one_tensor TARGETS        for example unix:/run/dcac/dcac.sock
#include <chrono>
#include <cstdio>
#include <string>
#include <vector>

#include "dcac/client.h"

namespace {

// Feature maps as a network might give them: 32 channels of 56 x 56, smooth, and zero where ReLU cut.
dcac::Tensor MakeActivation() {
  dcac::Tensor tensor{.spec = {.dtype = dcac::DType::kU8, .shape = {1, 32, 56, 56}}, .data = {}};
  for (int channel = 0; channel < 32; ++channel) {
    for (int y = 0; y < 56; ++y) {
      for (int x = 0; x < 56; ++x) {
        const int value = (x * channel + y * 3) % 256 - 100;
        tensor.data.push_back(static_cast<std::byte>(value > 0 ? value : 0));
      }
    }
  }
  return tensor;
}

int Fail(const absl::Status& status) {
  std::fprintf(stderr, "%s\n", status.ToString().c_str());
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  using dcac::client::Client;
  using dcac::client::Codec;
  if (argc != 2) {
    std::fprintf(stderr, "usage: one_tensor TARGETS\n");
    return 2;
  }
  // Several targets may stand here, with commas between them; TLS and a token are options as well.
  const absl::StatusOr<Client> client = Client::Connect(argv[1], {.deadline = std::chrono::seconds(60)});
  if (!client.ok()) return Fail(client.status());

  // In this process unless told otherwise: nothing crosses the network.
  const dcac::Tensor tensor = MakeActivation();
  const auto frame = client->Compress(tensor.spec, tensor.data, {.level = 3});
  if (!frame.ok()) return Fail(frame.status());
  std::printf("%zu => %zu bytes\n", tensor.data.size(), frame->size());

  // The same frame by the server, for this call alone.
  const auto same = client->Compress(tensor.spec, tensor.data, {.level = 3}, {.codec = Codec::kServer});
  if (!same.ok()) return Fail(same.status());
  std::printf("the server's frame is %s\n", *same == *frame ? "the same" : "another");

  // Into memory that is there already, with a deadline of its own.
  std::vector<std::byte> memory(tensor.data.size());
  const auto spec =
      client->DecompressInto(*frame, memory, {.deadline = std::chrono::seconds(5), .codec = Codec::kServer});
  if (!spec.ok()) return Fail(spec.status());
  std::printf("restored %s\n", dcac::ShapeToString(spec->shape).c_str());
  return *same == *frame && memory == tensor.data ? 0 : 1;
}
