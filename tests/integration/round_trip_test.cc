// Tensors through a running server: the frames are those of the library, and what comes back is what went in.
#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <string>
#include <thread>
#include <vector>

#include "dcac/client.h"
#include "dcac/codec.h"
#include "tests/integration/fixture.h"

namespace dcac::testing {
namespace {

class RoundTripTest : public ::testing::TestWithParam<std::string> {
 protected:
  TempFolder folder_;
  server::ServerOptions Options() const {
    server::ServerOptions options = LoopbackOptions();
    options.listen.push_back("unix:" + folder_.File("socket"));
    return options;
  }
  std::unique_ptr<server::Server> server_ = StartServer(Options());
};

TEST_P(RoundTripTest, FrameIsTheLibrarysAndTensorComesBack) {
  const Tensor tensor = LoadNpy(GetParam());
  const Bytes local = *Compress(tensor.spec, tensor.data);
  ASSERT_EQ(server_->addresses().size(), 2u);
  for (const std::string& address : server_->addresses()) {
    const client::Client client = ConnectTo(address);
    const auto frame = client.Compress(tensor.spec, tensor.data);
    ASSERT_TRUE(frame.ok()) << address << ": " << frame.status();
    EXPECT_TRUE(*frame == local) << address;
    const auto restored = client.Decompress(*frame);
    ASSERT_TRUE(restored.ok()) << address << ": " << restored.status();
    EXPECT_EQ(restored->spec, tensor.spec);
    EXPECT_TRUE(restored->data == tensor.data) << address;
  }
}

// Test names may hold letters, digits and underscores only.
std::string TestName(const ::testing::TestParamInfo<std::string>& file_name) {
  std::string name = file_name.param;
  std::ranges::replace_if(
      name, [](unsigned char c) { return !std::isalnum(c); }, '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(TestData, RoundTripTest, ::testing::ValuesIn(TestDataFiles()), TestName);

TEST(ServiceTest, OptionsReachTheEncoder) {
  const auto server = StartServer();
  const client::Client client = ConnectTo(server->addresses()[0]);
  const Tensor tensor = LoadNpy("mobilenetv2-b6.u8.npy");
  EncodeOptions options;
  for (const Mode mode : {Mode::kLs, Mode::kDcac, Mode::kIntra}) {
    options.mode = mode;
    options.segment_bytes = 8192;
    options.max_references = mode == Mode::kLs ? std::optional<int>(1) : std::nullopt;
    options.similarity = mode == Mode::kDcac ? Similarity::kDifference : Similarity::kBits;
    const auto frame = client.Compress(tensor.spec, tensor.data, options);
    ASSERT_TRUE(frame.ok()) << frame.status();
    EXPECT_TRUE(*frame == *Compress(tensor.spec, tensor.data, options)) << ModeName(mode);
  }
}

TEST(ServiceTest, EmptyTensorPasses) {
  const auto server = StartServer();
  const client::Client client = ConnectTo(server->addresses()[0]);
  const TensorSpec empty{DType::kBF16, {3, 0, 5, 5}, Layout::kNchw};
  const auto frame = client.Compress(empty, {});
  ASSERT_TRUE(frame.ok()) << frame.status();
  const auto tensor = client.Decompress(*frame);
  ASSERT_TRUE(tensor.ok()) << tensor.status();
  EXPECT_EQ(tensor->spec, empty);
  EXPECT_TRUE(tensor->data.empty());
}

TEST(ServiceTest, ManyStreamsAtATime) {
  const auto server = StartServer();
  const Tensor tensor = LoadNpy("mobilenetv2-b6.u8.npy");
  const Bytes local = *Compress(tensor.spec, tensor.data);
  const client::Client client = ConnectTo(server->addresses()[0], {.chunk_bytes = 1000});
  constexpr std::size_t kStreams = 24;
  std::vector<absl::Status> failures(kStreams);
  std::vector<std::thread> threads;
  const auto once = [](const Bytes& bytes) { return PiecewiseSource(bytes, bytes.size()); };
  for (std::size_t i = 0; i < kStreams; ++i) {
    threads.emplace_back([&, i] {
      Bytes frame, samples;
      const auto compressed = client.CompressStream(tensor.spec, {}, once(tensor.data), AppendTo(&frame));
      if (!compressed.ok() || frame != local) {
        failures[i] = compressed.ok() ? absl::DataLossError("another frame") : compressed.status();
        return;
      }
      const auto ignore_spec = [](const TensorSpec&) { return absl::OkStatus(); };
      const auto restored = client.DecompressStream(once(frame), ignore_spec, AppendTo(&samples));
      if (!restored.ok() || samples != tensor.data) {
        failures[i] = restored.ok() ? absl::DataLossError("another tensor") : restored.status();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const absl::Status& failure : failures) EXPECT_TRUE(failure.ok()) << failure;
  EXPECT_TRUE(Eventually([&] { return server->metrics().calls(absl::StatusCode::kOk) == 2 * kStreams; }));
}

TEST(ServiceTest, CapabilitiesTellLimits) {
  server::ServerOptions options = LoopbackOptions();
  options.limits.max_tensor_bytes = 12345;
  options.limits.max_streams = 7;
  const auto server = StartServer(options);
  const auto capabilities = ConnectTo(server->addresses()[0]).GetCapabilities();
  ASSERT_TRUE(capabilities.ok()) << capabilities.status();
  EXPECT_EQ(capabilities->max_tensor_bytes, 12345u);
  EXPECT_EQ(capabilities->max_streams, 7u);
  EXPECT_EQ(capabilities->dtypes.size(), AllDTypes().size());
  EXPECT_EQ(capabilities->layouts.size(), AllLayouts().size());
  EXPECT_EQ(capabilities->modes.size(), 3u);
  EXPECT_EQ(capabilities->max_chunk_bytes, client::ClientOptions::kMaxChunkBytes);
  EXPECT_FALSE(capabilities->server_version.empty());
}

}  // namespace
}  // namespace dcac::testing
