// Which calls a client makes: where the codec runs, one message or a stream, what is tried again and where.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <thread>
#include <utility>
#include <vector>

#include "client/mock_connection.h"
#include "dcac/client.h"
#include "dcac/codec.h"
#include "proto/wire/convert.h"
#include "proto/wire/retry_info.h"

namespace dcac::client {
namespace {

using Bytes = std::vector<std::byte>;
using std::chrono::milliseconds;
using ::testing::_;
using ::testing::NiceMock;
using ::testing::Return;
using ::testing::StrictMock;

const absl::Status kGone = absl::UnavailableError("gone");

using CompressScript = Script<v1::CompressRequest, v1::CompressResponse>;

class ClientCallsTest : public ::testing::Test {
 protected:
  static ClientOptions Options() {
    ClientOptions options;
    options.codec = Codec::kServer;
    options.retry = {.max_attempts = 3, .initial_backoff = milliseconds(0), .max_backoff = milliseconds(0)};
    return options;
  }

  // A client of a connection that the test still reaches.
  Client MakeClient(const ClientOptions& options = Options()) {
    auto connection = std::make_unique<NiceMock<MockConnection>>();
    connection_ = connection.get();
    ON_CALL(*connection, GetCapabilities(_)).WillByDefault(Return(v1::GetCapabilitiesResponse()));
    return Client(std::move(connection), options);
  }

  void TakeUnary(std::uint64_t max_bytes) {
    v1::GetCapabilitiesResponse capabilities;
    capabilities.set_max_unary_bytes(max_bytes);
    EXPECT_CALL(*connection_, GetCapabilities(_)).WillOnce(Return(capabilities));
  }

  v1::CompressTensorResponse CompressResponse() const {
    v1::CompressTensorResponse response;
    response.set_frame("frame");
    response.set_digest(wire::ToProto(ComputeDigest(raw_)));
    return response;
  }

  v1::DecompressTensorResponse DecompressResponse() const {
    v1::DecompressTensorResponse response;
    wire::ToProto(kSpec, response.mutable_spec());
    response.set_data(raw_.data(), raw_.size());
    response.set_digest(wire::ToProto(ComputeDigest(raw_)));
    return response;
  }

  // A stream that is answered with "frame", or with `status` after the chunk "fr".
  CompressScript Answer(const absl::Status& status = absl::OkStatus()) const {
    CompressScript script;
    script.status = status;
    v1::CompressResponse chunk, trailer;
    chunk.mutable_chunk()->set_data(status.ok() ? "frame" : "fr");
    script.responses.push_back(chunk);
    if (!status.ok()) return script;
    trailer.mutable_trailer()->set_digest(wire::ToProto(ComputeDigest(raw_)));
    trailer.mutable_trailer()->set_raw_bytes(raw_.size());
    trailer.mutable_trailer()->set_stored_bytes(5);
    script.responses.push_back(trailer);
    return script;
  }

  static std::unique_ptr<internal::CompressCall> Play(CompressScript& script) {
    return std::make_unique<ScriptedStream<v1::CompressRequest, v1::CompressResponse>>(script);
  }

  NiceMock<MockConnection>* connection_ = nullptr;
  const Bytes raw_ = Bytes(100, std::byte{7});
};

TEST_F(ClientCallsTest, ClientSideCodecAsksNoServer) {
  const Client client(std::make_unique<StrictMock<MockConnection>>(), {});
  const auto frame = client.Compress(kSpec, raw_);
  ASSERT_TRUE(frame.ok()) << frame.status();
  EXPECT_EQ(*frame, *Compress(kSpec, raw_));
  EXPECT_EQ(client.Decompress(*frame)->data, raw_);
  Bytes into(100);
  EXPECT_EQ(*client.DecompressInto(*frame, into), kSpec);
  EXPECT_EQ(into, raw_);
  EXPECT_EQ(client.DecompressInto(*frame, std::span(into).first(99)).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST_F(ClientCallsTest, ClientSideCodecStreams) {
  const Client client(std::make_unique<StrictMock<MockConnection>>(), {});
  Bytes frame, samples;
  const auto append_to = [](Bytes& out) -> ChunkSink {
    return [&out](std::span<const std::byte> bytes) {
      out.insert(out.end(), bytes.begin(), bytes.end());
      return absl::OkStatus();
    };
  };
  const auto once = [](const Bytes& bytes) -> ChunkSource {
    return [&bytes, given = false]() mutable -> absl::StatusOr<std::span<const std::byte>> {
      return std::exchange(given, true) ? std::span<const std::byte>() : std::span<const std::byte>(bytes);
    };
  };
  const auto written = client.CompressStream(kSpec, {}, once(raw_), append_to(frame));
  ASSERT_TRUE(written.ok()) << written.status();
  EXPECT_EQ(written->frame_bytes, frame.size());
  TensorSpec spec;
  const SpecSink spec_sink = [&](const TensorSpec& value) {
    spec = value;
    return absl::OkStatus();
  };
  const auto read = client.DecompressStream(once(frame), spec_sink, append_to(samples));
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(samples, raw_);
  EXPECT_EQ(spec, kSpec);
  EXPECT_EQ(read->spec, kSpec);
  EXPECT_EQ(read->digest, written->digest);
}

TEST_F(ClientCallsTest, ClientSideCodecObeysTheCallsOptions) {
  const Client client(std::make_unique<StrictMock<MockConnection>>(), {});
  CallOptions cancelled;
  cancelled.cancel.Cancel();
  EXPECT_EQ(client.Compress(kSpec, raw_, {}, cancelled).status().code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(client.Decompress(*Compress(kSpec, raw_), cancelled).status().code(), absl::StatusCode::kCancelled);
  const auto began = std::chrono::steady_clock::now();
  const ChunkSource late = [&]() -> absl::StatusOr<std::span<const std::byte>> {
    std::this_thread::sleep_until(began + milliseconds(5));
    return std::span<const std::byte>(raw_);
  };
  const auto ignore = [](std::span<const std::byte>) { return absl::OkStatus(); };
  EXPECT_EQ(client.CompressStream(kSpec, {}, late, ignore, {.deadline = milliseconds(1)}).status().code(),
            absl::StatusCode::kDeadlineExceeded);
}

TEST_F(ClientCallsTest, CodecMayBeChosenForACall) {
  const Client client = MakeClient({});
  EXPECT_CALL(*connection_, GetCapabilities(_)).WillOnce(Return(absl::PermissionDeniedError("no")));
  EXPECT_TRUE(client.Compress(kSpec, raw_).ok());
  EXPECT_EQ(client.Compress(kSpec, raw_, {}, {.codec = Codec::kServer}).status().code(),
            absl::StatusCode::kPermissionDenied);
}

TEST_F(ClientCallsTest, SmallTensorIsOneMessage) {
  const Client client = MakeClient();
  TakeUnary(100);
  v1::CompressTensorRequest request;
  EXPECT_CALL(*connection_, CompressTensor(_, _))
      .WillOnce(::testing::DoAll(::testing::SaveArg<1>(&request), Return(CompressResponse())));
  EXPECT_CALL(*connection_, DecompressTensor(_, _)).WillOnce(Return(DecompressResponse()));
  const auto frame = client.Compress(kSpec, raw_, {.level = 2});
  ASSERT_TRUE(frame.ok()) << frame.status();
  EXPECT_EQ(frame->size(), 5u);
  EXPECT_EQ(request.data().size(), 100u);
  EXPECT_EQ(request.options().level(), 2);
  EXPECT_EQ(request.digest(), wire::ToProto(ComputeDigest(raw_)));
  const auto tensor = client.Decompress(*Compress(kSpec, raw_));
  ASSERT_TRUE(tensor.ok()) << tensor.status();
  EXPECT_EQ(tensor->data, raw_);
  EXPECT_EQ(tensor->spec, kSpec);
}

TEST_F(ClientCallsTest, TensorBeyondTheLimitIsAStream) {
  const Client client = MakeClient();
  TakeUnary(99);
  EXPECT_CALL(*connection_, CompressTensor(_, _)).Times(0);
  CompressScript script = Answer();
  EXPECT_CALL(*connection_, Compress(_)).WillOnce([&](const auto&) { return Play(script); });
  EXPECT_TRUE(client.Compress(kSpec, raw_).ok());
}

TEST_F(ClientCallsTest, ResponsesInOneMessageAreChecked) {
  const Client client = MakeClient();
  TakeUnary(1000);
  auto other_digest = CompressResponse();
  other_digest.mutable_digest()->front() ^= 1;
  EXPECT_CALL(*connection_, CompressTensor(_, _)).WillOnce(Return(other_digest));
  EXPECT_EQ(client.Compress(kSpec, raw_).status().code(), absl::StatusCode::kDataLoss);
  auto other_data = DecompressResponse(), short_data = DecompressResponse(), no_spec = DecompressResponse();
  other_data.mutable_data()->front() ^= 1;
  short_data.mutable_data()->pop_back();
  no_spec.clear_spec();
  EXPECT_CALL(*connection_, DecompressTensor(_, _))
      .WillOnce(Return(other_data))
      .WillOnce(Return(short_data))
      .WillOnce(Return(no_spec));
  const Bytes frame = *Compress(kSpec, raw_);
  EXPECT_EQ(client.Decompress(frame).status().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(client.Decompress(frame).status().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(client.Decompress(frame).status().code(), absl::StatusCode::kInternal);
}

TEST_F(ClientCallsTest, TransientErrorIsTriedAgain) {
  const Client client = MakeClient();
  TakeUnary(1000);
  EXPECT_CALL(*connection_, CompressTensor(_, _))
      .WillOnce(Return(kGone))
      .WillOnce(Return(wire::WithRetryDelay(absl::ResourceExhaustedError("full"), milliseconds(0))))
      .WillOnce(Return(CompressResponse()))
      .WillOnce(Return(absl::ResourceExhaustedError("too large")))
      .WillRepeatedly(Return(kGone));
  EXPECT_TRUE(client.Compress(kSpec, raw_).ok());
  EXPECT_EQ(client.Compress(kSpec, raw_).status(), absl::ResourceExhaustedError("too large"));
  EXPECT_EQ(client.Compress(kSpec, raw_).status(), kGone) << "after three attempts";
}

TEST_F(ClientCallsTest, StreamIntoMemoryBeginsAgain) {
  const Client client = MakeClient();
  CompressScript broken = Answer(kGone), whole = Answer();
  EXPECT_CALL(*connection_, Compress(_)).WillOnce([&](const auto&) { return Play(broken); }).WillOnce([&](const auto&) {
    return Play(whole);
  });
  const auto frame = client.Compress(kSpec, raw_);
  ASSERT_TRUE(frame.ok()) << frame.status();
  EXPECT_EQ(frame->size(), 5u);
  EXPECT_EQ(whole.requests.size(), 3u) << "header, chunk, trailer";
}

TEST_F(ClientCallsTest, StreamWhoseOutputWasGivenOutDoesNot) {
  const Client client = MakeClient();
  CompressScript broken = Answer(kGone);
  EXPECT_CALL(*connection_, Compress(_)).WillOnce([&](const auto&) { return Play(broken); });
  const ChunkSource source = [given = false, this]() mutable -> absl::StatusOr<std::span<const std::byte>> {
    return std::exchange(given, true) ? std::span<const std::byte>() : std::span<const std::byte>(raw_);
  };
  const auto sink = [](std::span<const std::byte>) { return absl::OkStatus(); };
  EXPECT_EQ(client.CompressStream(kSpec, {}, source, sink).status(), kGone);
}

TEST_F(ClientCallsTest, ErrorOfTheCallersCodeIsNotTriedAgain) {
  const Client client = MakeClient();
  CompressScript script = Answer();
  EXPECT_CALL(*connection_, Compress(_)).WillOnce([&](const auto&) { return Play(script); });
  const ChunkSource source = []() -> absl::StatusOr<std::span<const std::byte>> { return kGone; };
  const auto sink = [](std::span<const std::byte>) { return absl::OkStatus(); };
  EXPECT_EQ(client.CompressStream(kSpec, {}, source, sink).status(), kGone);
}

TEST_F(ClientCallsTest, CallsTakeTurnsAndAvoidWhatIsNotReady) {
  std::vector<std::unique_ptr<internal::Connection>> connections;
  std::vector<NiceMock<MockConnection>*> mocks;
  std::vector<int> calls(3);
  for (int i = 0; i < 3; ++i) {
    auto connection = std::make_unique<NiceMock<MockConnection>>();
    mocks.push_back(connection.get());
    ON_CALL(*connection, GetCapabilities(_)).WillByDefault([&calls, i](const auto&) {
      ++calls[i];
      return v1::GetCapabilitiesResponse();
    });
    connections.push_back(std::move(connection));
  }
  const Client client(std::move(connections), Options());
  for (int i = 0; i < 6; ++i) EXPECT_TRUE(client.GetCapabilities().ok());
  EXPECT_EQ(calls, (std::vector{2, 2, 2}));
  ON_CALL(*mocks[1], ready).WillByDefault(Return(false));
  for (int i = 0; i < 6; ++i) EXPECT_TRUE(client.GetCapabilities().ok());
  EXPECT_EQ(calls[1], 2);
  for (auto* mock : mocks) ON_CALL(*mock, ready).WillByDefault(Return(false));
  EXPECT_TRUE(client.GetCapabilities().ok()) << "there is no better one";
}

TEST_F(ClientCallsTest, AnotherServerTakesOver) {
  std::vector<std::unique_ptr<internal::Connection>> connections;
  for (const bool dead : {true, false}) {
    auto connection = std::make_unique<NiceMock<MockConnection>>();
    ON_CALL(*connection, GetCapabilities(_)).WillByDefault([dead](const auto&) {
      return dead ? absl::StatusOr<v1::GetCapabilitiesResponse>(kGone) : v1::GetCapabilitiesResponse();
    });
    connections.push_back(std::move(connection));
  }
  ClientOptions options = Options();
  options.retry = {.max_attempts = 2, .initial_backoff = std::chrono::hours(1), .max_backoff = std::chrono::hours(1)};
  const Client client(std::move(connections), options);
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(client.GetCapabilities().ok()) << "at once";
}

TEST_F(ClientCallsTest, CallsCarryWhatTheyWereTold) {
  const Client client = MakeClient();
  internal::CallContext seen;
  ON_CALL(*connection_, GetStatus(_)).WillByDefault([&](const internal::CallContext& context) {
    seen = context;
    return v1::GetStatusResponse();
  });
  CallOptions call{.deadline = std::chrono::hours(1), .traceparent = "00-1-2-01"};
  ASSERT_TRUE(client.GetStatus(call).ok());
  EXPECT_EQ(seen.traceparent, "00-1-2-01");
  EXPECT_NE(seen.deadline, internal::CallContext::kNoDeadline);
  call.cancel.Cancel();
  EXPECT_TRUE(seen.cancel.cancelled());
  EXPECT_EQ(client.GetStatus(call).status().code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(client.GetStatus({.traceparent = "two words"}).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(ClientCallsTest, StatusIsTranslated) {
  const Client client = MakeClient();
  v1::GetStatusResponse response;
  response.set_uptime_ms(1234);
  response.set_serving(true);
  response.set_budget_bytes(99);
  (*response.mutable_calls_by_code())[8] = 3;
  ON_CALL(*connection_, GetStatus(_)).WillByDefault(Return(response));
  const auto status = client.GetStatus();
  ASSERT_TRUE(status.ok()) << status.status();
  EXPECT_EQ(status->uptime, milliseconds(1234));
  EXPECT_TRUE(status->serving);
  EXPECT_EQ(status->budget_bytes, 99u);
  EXPECT_EQ(status->calls_by_code.at(absl::StatusCode::kResourceExhausted), 3u);
}

}  // namespace
}  // namespace dcac::client
