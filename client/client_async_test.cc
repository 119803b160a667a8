// Asynchronous calls, and calls whose codec the client chooses.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "client/mock_connection.h"
#include "dcac/client.h"
#include "dcac/codec.h"
#include "proto/wire/convert.h"

namespace dcac::client {
namespace {

using Bytes = std::vector<std::byte>;
using ::testing::_;
using ::testing::NiceMock;
using ::testing::Return;

class ClientAsyncTest : public ::testing::Test {
 protected:
  std::optional<Client> MakeClient(ClientOptions options) {
    options.retry.max_attempts = 1;
    auto connection = std::make_unique<NiceMock<MockConnection>>();
    connection_ = connection.get();
    v1::GetCapabilitiesResponse capabilities;
    capabilities.set_max_unary_bytes(1000);
    ON_CALL(*connection, GetCapabilities(_)).WillByDefault(Return(capabilities));
    return Client(std::move(connection), options);
  }

  NiceMock<MockConnection>* connection_ = nullptr;
  const Bytes raw_ = Bytes(100, std::byte{7});
  const Bytes frame_ = *Compress(kSpec, raw_);
};

TEST_F(ClientAsyncTest, FuturesGetResults) {
  const auto client = MakeClient({});
  auto frame = client->CompressAsync(kSpec, raw_);
  auto tensor = client->DecompressAsync(frame_);
  auto no_tensor = client->DecompressAsync(std::span(frame_).first(10));
  EXPECT_EQ(*frame.get(), frame_);
  EXPECT_EQ(tensor.get()->data, raw_);
  EXPECT_EQ(no_tensor.get().status().code(), absl::StatusCode::kDataLoss);
}

TEST_F(ClientAsyncTest, CallbacksGetResults) {
  const auto client = MakeClient({});
  std::promise<Bytes> frame, samples;
  client->CompressAsync(kSpec, raw_, {}, {}, [&](absl::StatusOr<Bytes> result) { frame.set_value(*result); });
  client->DecompressAsync(frame_, {}, [&](absl::StatusOr<Tensor> result) { samples.set_value(result->data); });
  EXPECT_EQ(frame.get_future().get(), frame_);
  EXPECT_EQ(samples.get_future().get(), raw_);
}

TEST_F(ClientAsyncTest, WaitingCallsAreBoundedAndCanBeCancelled) {
  auto client = MakeClient({.codec = Codec::kServer, .async_threads = 1, .max_async_calls = 1});
  std::promise<void> begun, released;
  EXPECT_CALL(*connection_, CompressTensor(_, _)).WillOnce([&](const auto&, const auto&) {
    begun.set_value();
    released.get_future().wait();
    return absl::DataLossError("the first");
  });
  auto first = client->CompressAsync(kSpec, raw_);
  begun.get_future().wait();
  const CallOptions call;
  auto second = client->CompressAsync(kSpec, raw_, {}, call);
  EXPECT_EQ(client->CompressAsync(kSpec, raw_).get().status().code(), absl::StatusCode::kResourceExhausted);
  call.cancel.Cancel();
  released.set_value();
  EXPECT_EQ(first.get().status(), absl::DataLossError("the first"));
  EXPECT_EQ(second.get().status().code(), absl::StatusCode::kCancelled);
}

TEST_F(ClientAsyncTest, DeadlineRunsWhileACallWaits) {
  const auto client = MakeClient({.async_threads = 1});
  std::promise<void> released;
  client->CompressAsync(kSpec, raw_, {}, {}, [&](const auto&) { released.get_future().wait(); });
  auto second = client->CompressAsync(kSpec, raw_, {}, {.deadline = std::chrono::milliseconds(1)});
  EXPECT_EQ(second.wait_for(std::chrono::milliseconds(5)), std::future_status::timeout);
  released.set_value();
  EXPECT_EQ(second.get().status().code(), absl::StatusCode::kDeadlineExceeded);
}

TEST_F(ClientAsyncTest, EndOfTheClientEndsItsCalls) {
  auto client = MakeClient({.async_threads = 1});
  std::promise<void> begun;
  std::promise<absl::Status> second;
  client->CompressAsync(kSpec, raw_, {}, {}, [&](const auto&) {
    begun.set_value();
    second.get_future().wait();
  });
  begun.get_future().wait();
  client->CompressAsync(kSpec, raw_, {}, {}, [&](const auto& result) {
    EXPECT_EQ(result.status().code(), absl::StatusCode::kCancelled);
    second.set_value(result.status());
  });
  client.reset();
}

TEST_F(ClientAsyncTest, CallbackMayEndTheClient) {
  auto client = MakeClient({});
  std::promise<void> ended;
  client->CompressAsync(kSpec, raw_, {}, {}, [&](const auto&) {
    client.reset();
    ended.set_value();
  });
  ended.get_future().wait();
}

TEST_F(ClientAsyncTest, AutoTriesBothPlaces) {
  const auto client = MakeClient({.codec = Codec::kAuto});
  v1::CompressTensorResponse response;
  response.set_frame("frame");
  response.set_digest(wire::ToProto(ComputeDigest(raw_)));
  EXPECT_CALL(*connection_, CompressTensor(_, _)).Times(::testing::AtLeast(1)).WillRepeatedly(Return(response));
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(client->Compress(kSpec, raw_).ok());
}

TEST_F(ClientAsyncTest, AutoDoesHereWhatTheServerCannot) {
  const auto client = MakeClient({.codec = Codec::kAuto});
  EXPECT_CALL(*connection_, CompressTensor(_, _)).WillOnce(Return(absl::UnavailableError("gone")));
  for (int i = 0; i < 10; ++i) EXPECT_EQ(*client->Compress(kSpec, raw_), frame_);
}

TEST_F(ClientAsyncTest, AutoHidesNoRefusal) {
  const auto client = MakeClient({.codec = Codec::kAuto});
  EXPECT_CALL(*connection_, CompressTensor(_, _)).WillOnce(Return(absl::UnauthenticatedError("token")));
  EXPECT_TRUE(client->Compress(kSpec, raw_).ok());
  EXPECT_EQ(client->Compress(kSpec, raw_).status().code(), absl::StatusCode::kUnauthenticated);
}

}  // namespace
}  // namespace dcac::client
