// The client against a connection made of scripted streams, without a network.
#include "dcac/client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <utility>

#include "client/mock_connection.h"
#include "dcac/codec.h"
#include "proto/wire/convert.h"
#include "proto/wire/retry_info.h"

namespace dcac::client {
namespace {

using Bytes = std::vector<std::byte>;
using ::testing::HasSubstr;

class ClientTest : public ::testing::Test {
 protected:
  Client MakeClient(ClientOptions options = {}) {
    options.codec = Codec::kServer;
    auto connection = std::make_unique<::testing::NiceMock<MockConnection>>();
    ON_CALL(*connection, Compress).WillByDefault([this] {
      return std::make_unique<ScriptedStream<v1::CompressRequest, v1::CompressResponse>>(compress_);
    });
    ON_CALL(*connection, Decompress).WillByDefault([this] {
      return std::make_unique<ScriptedStream<v1::DecompressRequest, v1::DecompressResponse>>(decompress_);
    });
    ON_CALL(*connection, GetCapabilities).WillByDefault([this] { return capabilities_; });
    return Client(std::move(connection), options);
  }

  // A server that answers Compress of `raw` with `frame`.
  void AnswerCompress(const Bytes& raw, const std::string& frame) {
    v1::CompressResponse chunk;
    chunk.set_consumed_bytes(raw.size());
    chunk.mutable_chunk()->set_data(frame);
    v1::CompressResponse trailer;
    trailer.set_consumed_bytes(raw.size());
    trailer.mutable_trailer()->set_digest(wire::ToProto(ComputeDigest(raw)));
    trailer.mutable_trailer()->set_raw_bytes(raw.size());
    trailer.mutable_trailer()->set_stored_bytes(frame.size());
    compress_ = {.requests = {}, .responses = {chunk, trailer}, .status = absl::OkStatus()};
  }

  // A server that answers Decompress of a frame of `frame_bytes` with `raw`.
  void AnswerDecompress(const TensorSpec& spec_value, const Bytes& raw, std::size_t frame_bytes) {
    v1::DecompressResponse spec;
    wire::ToProto(spec_value, spec.mutable_spec());
    v1::DecompressResponse chunk;
    chunk.mutable_chunk()->set_data(raw.data(), raw.size());
    v1::DecompressResponse trailer;
    trailer.set_consumed_bytes(frame_bytes);
    trailer.mutable_trailer()->set_digest(wire::ToProto(ComputeDigest(raw)));
    trailer.mutable_trailer()->set_raw_bytes(raw.size());
    trailer.mutable_trailer()->set_stored_bytes(frame_bytes);
    decompress_ = {.requests = {}, .responses = {spec, chunk, trailer}, .status = absl::OkStatus()};
  }

  Script<v1::CompressRequest, v1::CompressResponse> compress_;
  Script<v1::DecompressRequest, v1::DecompressResponse> decompress_;
  absl::StatusOr<v1::GetCapabilitiesResponse> capabilities_ = v1::GetCapabilitiesResponse();
  const Bytes raw_ = Bytes(100, std::byte{7});
  const Bytes frame_ = Bytes(10, std::byte{1});
};

TEST_F(ClientTest, CompressSendsHeaderChunksAndTrailer) {
  AnswerCompress(raw_, "frame");
  EncodeOptions options;
  options.level = 3;
  const auto frame = MakeClient({.chunk_bytes = 60}).Compress(kSpec, raw_, options);
  ASSERT_TRUE(frame.ok()) << frame.status();
  EXPECT_EQ(frame->size(), 5u);
  ASSERT_EQ(compress_.requests.size(), 4u);
  EXPECT_EQ(*wire::FromProto(compress_.requests[0].header().spec()), kSpec);
  EXPECT_EQ(compress_.requests[0].header().options().level(), 3);
  EXPECT_EQ(compress_.requests[2].chunk().offset(), 60u);
  EXPECT_EQ(compress_.requests[2].chunk().data().size(), 40u);
  EXPECT_EQ(compress_.requests[3].trailer().digest(), wire::ToProto(ComputeDigest(raw_)));
  EXPECT_EQ(compress_.requests[3].trailer().raw_bytes(), 100u);
  EXPECT_TRUE(compress_.writes_done);
}

TEST_F(ClientTest, SmallPiecesOfASourceFillChunks) {
  AnswerCompress(raw_, "frame");
  std::size_t given = 0;
  const ChunkSource source = [&]() -> absl::StatusOr<std::span<const std::byte>> {
    const auto piece = std::span(raw_).subspan(given, std::min<std::size_t>(9, raw_.size() - given));
    given += piece.size();
    return piece;
  };
  const auto stats =
      MakeClient({.chunk_bytes = 64}).CompressStream(kSpec, {}, source, [](auto) { return absl::OkStatus(); });
  ASSERT_TRUE(stats.ok()) << stats.status();
  EXPECT_EQ(stats->raw_bytes, 100u);
  EXPECT_EQ(stats->frame_bytes, 5u);
  EXPECT_EQ(stats->digest, ComputeDigest(raw_));
  ASSERT_EQ(compress_.requests.size(), 4u);
  EXPECT_EQ(compress_.requests[1].chunk().data().size(), 64u);
}

TEST_F(ClientTest, AtMostSixteenChunksAreUnanswered) {
  AnswerCompress(raw_, "frame");
  for (std::size_t consumed = raw_.size(); consumed > 0; --consumed) {
    v1::CompressResponse response;
    response.set_consumed_bytes(consumed);
    compress_.responses.push_front(response);
  }
  ASSERT_TRUE(MakeClient({.chunk_bytes = 1}).Compress(kSpec, raw_).ok());
  EXPECT_EQ(compress_.requests_at_reads.at(0), 3u) << "header and 2 chunks: the server may have no room for more";
  EXPECT_EQ(compress_.requests_at_reads.at(1), 18u) << "header, an answered chunk and 16 others";
  EXPECT_EQ(compress_.requests_at_reads.at(2), 19u);
  EXPECT_EQ(compress_.requests.size(), 102u);
}

TEST_F(ClientTest, CallAfterARefusedOneBeginsWithSmallChunks) {
  const TensorSpec spec{DType::kU8, {700'000}, Layout::kFlat};
  const Bytes raw(700'000);
  const auto chunk_bytes = [this](std::size_t i) { return compress_.requests.at(i).chunk().data().size(); };
  Client client = MakeClient({.retry = {.max_attempts = 1}});
  compress_.status = wire::WithRetryDelay(absl::ResourceExhaustedError("full"), std::chrono::milliseconds(1));
  EXPECT_EQ(client.Compress(spec, raw).status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(chunk_bytes(1), 512u << 10);
  AnswerCompress(raw, "frame");
  v1::CompressResponse answer;
  answer.set_consumed_bytes(128u << 10);
  compress_.responses.push_front(answer);
  ASSERT_TRUE(client.Compress(spec, raw).ok());
  EXPECT_EQ(chunk_bytes(1), 64u << 10);
  EXPECT_EQ(chunk_bytes(2), 64u << 10);
  EXPECT_EQ(chunk_bytes(3), 512u << 10) << "the server has answered";
  AnswerCompress(raw, "frame");
  ASSERT_TRUE(client.Compress(spec, raw).ok());
  EXPECT_EQ(chunk_bytes(1), 512u << 10);
}

TEST_F(ClientTest, TrailerThatDoesNotMatchIsDataLoss) {
  const std::function<void(v1::TransferTrailer*)> damages[] = {
      [](auto* trailer) { trailer->set_raw_bytes(99); }, [](auto* trailer) { trailer->set_stored_bytes(6); },
      [](auto* trailer) { trailer->mutable_digest()->front() ^= 1; }, [](auto* trailer) { trailer->clear_digest(); }};
  for (const auto& damage : damages) {
    AnswerCompress(raw_, "frame");
    damage(compress_.responses.back().mutable_trailer());
    EXPECT_EQ(MakeClient().Compress(kSpec, raw_).status().code(), absl::StatusCode::kDataLoss);
    AnswerDecompress(kSpec, raw_, frame_.size());
    damage(decompress_.responses.back().mutable_trailer());
    EXPECT_EQ(MakeClient().Decompress(frame_).status().code(), absl::StatusCode::kDataLoss);
  }
}

TEST_F(ClientTest, DecompressGivesSpecAndSamples) {
  AnswerDecompress(kSpec, raw_, frame_.size());
  const auto tensor = MakeClient({.max_tensor_bytes = 500}).Decompress(frame_);
  ASSERT_TRUE(tensor.ok()) << tensor.status();
  EXPECT_EQ(tensor->spec, kSpec);
  EXPECT_EQ(tensor->data, raw_);
  EXPECT_EQ(decompress_.requests[0].header().max_tensor_bytes(), 500u);
  EXPECT_EQ(decompress_.requests[0].header().stored_bytes(), frame_.size());
}

TEST_F(ClientTest, TensorOfAnotherSizeThanItsSpecIsDataLoss) {
  AnswerDecompress({DType::kU8, {99}, Layout::kNchw}, raw_, frame_.size());
  EXPECT_EQ(MakeClient().Decompress(frame_).status().code(), absl::StatusCode::kDataLoss) << "too long";
  AnswerDecompress({DType::kU8, {101}, Layout::kNchw}, raw_, frame_.size());
  EXPECT_EQ(MakeClient().Decompress(frame_).status().code(), absl::StatusCode::kDataLoss) << "too short";
}

TEST_F(ClientTest, TensorOverTheClientsLimitIsRefused) {
  AnswerDecompress(kSpec, raw_, frame_.size());
  EXPECT_EQ(MakeClient({.max_tensor_bytes = 99}).Decompress(frame_).status().code(),
            absl::StatusCode::kResourceExhausted);
  EXPECT_TRUE(decompress_.cancelled);
}

TEST_F(ClientTest, BrokenProtocolIsInternal) {
  constexpr auto kInternal = absl::StatusCode::kInternal;
  AnswerCompress(raw_, "frame");
  compress_.responses.front().mutable_chunk()->set_offset(1);
  EXPECT_EQ(MakeClient().Compress(kSpec, raw_).status().code(), kInternal) << "offset";
  AnswerCompress(raw_, "frame");
  compress_.responses.front().set_consumed_bytes(101);
  EXPECT_EQ(MakeClient().Compress(kSpec, raw_).status().code(), kInternal) << "more consumed than sent";
  AnswerCompress(raw_, "frame");
  compress_.responses.push_back(compress_.responses.front());
  EXPECT_EQ(MakeClient().Compress(kSpec, raw_).status().code(), kInternal) << "response after the trailer";
  AnswerCompress(raw_, "frame");
  compress_.responses.pop_back();
  EXPECT_EQ(MakeClient().Compress(kSpec, raw_).status().code(), kInternal) << "no trailer";
}

TEST_F(ClientTest, ErrorOfTheServerIsReturned) {
  compress_.status = absl::ResourceExhaustedError("all 64 streams are in use");
  compress_.fail_writes_after = 1;
  const absl::Status status = MakeClient().Compress(kSpec, raw_).status();
  EXPECT_EQ(status, compress_.status);
  EXPECT_FALSE(compress_.cancelled);
}

TEST_F(ClientTest, ErrorOfASourceOrSinkCancelsTheCall) {
  AnswerCompress(raw_, "frame");
  const Client client = MakeClient();
  const auto sink = [](std::span<const std::byte>) { return absl::DataLossError("disk full"); };
  const ChunkSource source = [given = false]() mutable -> absl::StatusOr<std::span<const std::byte>> {
    static const Bytes kBytes(100, std::byte{7});
    return std::exchange(given, true) ? std::span<const std::byte>() : std::span<const std::byte>(kBytes);
  };
  EXPECT_THAT(std::string(client.CompressStream(kSpec, {}, source, sink).status().message()), HasSubstr("disk full"));
  EXPECT_TRUE(std::exchange(compress_.cancelled, false));

  const ChunkSource broken = []() -> absl::StatusOr<std::span<const std::byte>> { return absl::AbortedError("pipe"); };
  const auto ignore = [](std::span<const std::byte>) { return absl::OkStatus(); };
  EXPECT_EQ(client.CompressStream(kSpec, {}, broken, ignore).status().code(), absl::StatusCode::kAborted);
  EXPECT_TRUE(compress_.cancelled);
}

TEST_F(ClientTest, CapabilitiesAreTranslated) {
  capabilities_->set_server_version("1.2.3");
  capabilities_->add_dtypes(v1::DATA_TYPE_BF16);
  capabilities_->add_modes(v1::MODE_INTRA);
  capabilities_->set_max_streams(7);
  const auto capabilities = MakeClient().GetCapabilities();
  ASSERT_TRUE(capabilities.ok());
  EXPECT_EQ(capabilities->server_version, "1.2.3");
  EXPECT_EQ(capabilities->dtypes, std::vector{DType::kBF16});
  EXPECT_EQ(capabilities->modes, std::vector{Mode::kIntra});
  EXPECT_EQ(capabilities->max_streams, 7u);
  capabilities_ = absl::UnavailableError("gone");
  EXPECT_EQ(MakeClient().GetCapabilities().status().code(), absl::StatusCode::kUnavailable);
}

TEST(ClientConnectTest, OptionsAreChecked) {
  EXPECT_EQ(Client::Connect("unix:/x", {.chunk_bytes = 0}).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Client::Connect("unix:/x", {.chunk_bytes = 2u << 20}).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Client::Connect("unix:/x", {.max_message_bytes = 1000}).status().code(),
            absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace dcac::client
