// Uploads that break off go on, after a restart of the server too.
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <random>
#include <string>

#include "dcac/codec.h"
#include "tests/integration/store_calls.h"

namespace dcac::testing {
namespace {

class StoreUploadTest : public ::testing::Test {
 protected:
  void SetUp() override { Restart(); }

  void Restart() {
    server_.reset();
    server::ServerOptions options = LoopbackOptions();
    options.store.location = "local:" + folder_.File("store");
    options.store.fsync = "none";
    server_ = StartServer(options);
  }

  StoreClient Client() const { return StoreClient(server_->addresses()[0]); }

  // Breaks an upload off after `cut` bytes, restarts the server and goes on; gives what had to be sent again.
  std::uint64_t CutAndGoOn(v1::PutHeader header, std::span<const std::byte> input, std::size_t cut) {
    const PutOutcome broken = Client().Put(header, input.first(cut), 0, /*end=*/false);
    EXPECT_FALSE(broken.upload_id.empty()) << broken.status.error_message();
    Restart();
    std::uint64_t committed = 0;
    const grpc::Status queried = Client().QueryUpload(broken.upload_id, &committed);
    // Of what is not worth to be kept, nothing was committed.
    EXPECT_TRUE(queried.ok() || queried.error_code() == grpc::StatusCode::NOT_FOUND) << queried.error_message();
    EXPECT_GE(committed, broken.committed_bytes) << "what was committed is lost";
    EXPECT_LE(committed, cut);
    if (queried.ok()) header.set_upload_id(broken.upload_id);
    const PutOutcome rest = Client().Put(header, input, committed);
    EXPECT_TRUE(rest.status.ok()) << rest.status.error_message();
    return cut - committed;
  }

  const TempFolder folder_;
  std::unique_ptr<server::Server> server_;
  const Tensor tensor_ = MakeTensor(96);
};

// What a local store keeps of an upload are whole pieces.
constexpr std::uint64_t kPieceBytes = std::uint64_t{64} << 10;

TEST_F(StoreUploadTest, TensorsConvergeAndSendNoMoreThanASegmentAgain) {
  std::mt19937 random(7);
  for (int round = 0; round < 100; ++round) {
    const std::size_t cut = random() % tensor_.data.size();
    const std::string key = "t/" + std::to_string(round);
    v1::PutHeader header = TensorHeader(key, tensor_.spec);
    header.mutable_tensor()->mutable_options()->set_level(1);  // most of it is compressed three times
    EXPECT_LE(CutAndGoOn(header, tensor_.data, cut), kSegmentBytes) << cut;
    EXPECT_EQ(Client().Get(key).bytes, tensor_.data) << cut;
  }
}

TEST_F(StoreUploadTest, FramesConvergeAndSendNoMoreThanAPieceAgain) {
  const Bytes frame = Compress(tensor_.spec, tensor_.data).value();
  std::mt19937 random(8);
  for (int round = 0; round < 100; ++round) {
    const std::size_t cut = random() % frame.size();
    const std::string key = "f/" + std::to_string(round);
    EXPECT_LE(CutAndGoOn(FrameHeader(key, frame.size()), frame, cut), kPieceBytes) << cut;
    EXPECT_EQ(Client().Get(key).bytes, tensor_.data) << cut;
  }
}

TEST_F(StoreUploadTest, FramesThatBreakOffWithinTheirFirstPieceAreNotSentAgain) {
  const Bytes frame = Compress(tensor_.spec, tensor_.data).value();
  EXPECT_EQ(CutAndGoOn(FrameHeader("f", frame.size()), frame, kPieceBytes / 4), 0u);
  EXPECT_EQ(Client().Get("f").bytes, tensor_.data);
}

TEST_F(StoreUploadTest, OtherContentIsRefused) {
  const std::size_t cut = tensor_.data.size() - 1;
  const PutOutcome broken = Client().Put(TensorHeader("t", tensor_.spec), std::span(tensor_.data).first(cut), 0, false);
  ASSERT_GT(broken.committed_bytes, 0u);
  v1::PutHeader header = FrameHeader("t", 100);
  header.set_upload_id(broken.upload_id);
  grpc::Status status;
  // The server may not know yet that the first call has ended.
  EXPECT_TRUE(Eventually([&] {
    status = Client().Put(header, tensor_.data).status;
    return status.error_code() != grpc::StatusCode::UNAVAILABLE;
  }));
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT) << status.error_message();
  header.set_upload_id("none");
  EXPECT_EQ(Client().Put(header, tensor_.data).status.error_code(), grpc::StatusCode::NOT_FOUND);
}

TEST_F(StoreUploadTest, ChangedBytesNeverBecomeAnObject) {
  const std::size_t cut = tensor_.data.size() - 1;
  v1::PutHeader header = TensorHeader("t", tensor_.spec);
  const PutOutcome broken = Client().Put(header, std::span(tensor_.data).first(cut), 0, false);
  ASSERT_GT(broken.committed_bytes, 0u);
  Restart();
  std::uint64_t committed = 0;
  ASSERT_TRUE(Client().QueryUpload(broken.upload_id, &committed).ok());
  Bytes other = tensor_.data;
  for (std::size_t i = committed; i < other.size(); ++i) other[i] ^= std::byte{0x55};
  header.set_upload_id(broken.upload_id);
  const PutOutcome rest = Client().Put(header, other, committed);
  // Either what is stored is no beginning of it, or the object is what was sent in all.
  if (rest.status.ok()) {
    EXPECT_EQ(Client().Get("t").bytes, other);
  }
}

}  // namespace
}  // namespace dcac::testing
