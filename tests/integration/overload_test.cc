// Limits of the server as a client sees them.
#include <gtest/gtest.h>

#include "dcac/client.h"
#include "dcac/codec.h"
#include "tests/integration/fixture.h"

namespace dcac::testing {
namespace {

constexpr auto kExhausted = absl::StatusCode::kResourceExhausted;

TEST(OverloadTest, StreamsBeyondTheCapAreRefused) {
  server::ServerOptions options = LoopbackOptions();
  options.limits.max_streams = 1;
  const auto server = StartServer(options);
  const client::Client client = ConnectTo(server->addresses()[0], {.chunk_bytes = 1000});
  const Tensor tensor = MakeTensor(1);
  absl::Status second;
  const client::ChunkSource source = PiecewiseSource(tensor.data, 1000, [&](std::size_t given) {
    // The first stream is surely open once some chunks of it were taken.
    if (given != 5000) return;
    EXPECT_TRUE(Eventually([&] { return server->metrics().request_bytes() > 2000; }));
    second = client.Compress(tensor.spec, tensor.data).status();
  });
  Bytes frame;
  EXPECT_TRUE(client.CompressStream(tensor.spec, {}, source, AppendTo(&frame)).ok());
  EXPECT_EQ(second.code(), kExhausted) << second;
  EXPECT_TRUE(Eventually([&] { return client.Compress(tensor.spec, tensor.data).ok(); })) << "the place is free again";
}

TEST(OverloadTest, TensorBeyondTheLimitIsRefusedBothWays) {
  const Tensor tensor = MakeTensor(2);
  server::ServerOptions options = LoopbackOptions();
  options.limits.max_tensor_bytes = tensor.data.size() - 1;
  const auto server = StartServer(options);
  const client::Client client = ConnectTo(server->addresses()[0]);
  EXPECT_EQ(client.Compress(tensor.spec, tensor.data).status().code(), kExhausted);
  const Bytes frame = *Compress(tensor.spec, tensor.data);
  EXPECT_EQ(client.Decompress(frame).status().code(), kExhausted);
}

TEST(OverloadTest, LimitOfTheClientHoldsAtTheServer) {
  const Tensor tensor = MakeTensor(2);
  const auto server = StartServer();
  const client::Client client = ConnectTo(server->addresses()[0], {.max_tensor_bytes = tensor.data.size() - 1});
  EXPECT_EQ(client.Decompress(*Compress(tensor.spec, tensor.data)).status().code(), kExhausted);
  EXPECT_TRUE(Eventually([&] { return server->metrics().calls(kExhausted) == 1; }));
}

}  // namespace
}  // namespace dcac::testing
