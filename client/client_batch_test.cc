// Inspect and BatchCompress against scripted streams.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
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
using BatchScript = Script<v1::BatchCompressRequest, v1::BatchCompressResponse>;
using InspectScript = Script<v1::InspectRequest, v1::InspectResponse>;

constexpr std::size_t kItems = 40;

class ClientBatchTest : public ::testing::Test {
 protected:
  ClientBatchTest() {
    for (std::size_t i = 0; i < kItems; ++i) {
      data_.emplace_back(10 + i, static_cast<std::byte>(i));
      items_.push_back({.spec = {DType::kU8, {10 + i}, Layout::kNchw}, .data = {}, .options = {}});
    }
    for (std::size_t i = 0; i < kItems; ++i) items_[i].data = data_[i];
  }

  Client MakeClient() {
    auto connection = std::make_unique<NiceMock<MockConnection>>();
    connection_ = connection.get();
    ClientOptions options;
    options.codec = Codec::kServer;
    options.retry = {.max_attempts = 2,
                     .initial_backoff = std::chrono::milliseconds(0),
                     .max_backoff = std::chrono::milliseconds(0)};
    return Client(std::move(connection), options);
  }

  // Answers to the items from `begin` to `end`.
  BatchScript Answers(std::size_t begin, std::size_t end, const absl::Status& status = absl::OkStatus()) const {
    BatchScript script;
    script.status = status;
    for (std::size_t i = begin; i < end; ++i) {
      v1::BatchCompressResponse response;
      response.set_item_id(i);
      response.set_frame(std::to_string(i));
      response.set_digest(wire::ToProto(ComputeDigest(data_[i])));
      script.responses.push_back(response);
    }
    return script;
  }

  // Calls are answered by `scripts`, one after the other.
  std::vector<absl::StatusOr<Bytes>> Run(std::vector<BatchScript*> scripts) {
    const Client client = MakeClient();
    std::size_t calls = 0;
    EXPECT_CALL(*connection_, BatchCompress(_))
        .Times(static_cast<int>(scripts.size()))
        .WillRepeatedly([&](const auto&) {
          return std::make_unique<ScriptedStream<v1::BatchCompressRequest, v1::BatchCompressResponse>>(
              *scripts[calls++]);
        });
    return client.BatchCompress(items_);
  }

  static std::string Text(const Bytes& bytes) {
    return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }

  NiceMock<MockConnection>* connection_ = nullptr;
  std::vector<Bytes> data_;
  std::vector<BatchItem> items_;
};

TEST_F(ClientBatchTest, EveryItemGetsItsFrame) {
  BatchScript script = Answers(0, kItems);
  const auto frames = Run({&script});
  ASSERT_EQ(frames.size(), kItems);
  for (std::size_t i = 0; i < kItems; ++i) EXPECT_EQ(Text(*frames[i]), std::to_string(i));
  EXPECT_EQ(script.requests_at_reads.at(0), 16u) << "that are unanswered";
  EXPECT_TRUE(script.writes_done);
}

TEST_F(ClientBatchTest, ErrorOfAnItemIsItsOwn) {
  BatchScript script = Answers(0, kItems);
  script.responses[3].set_code(3);
  script.responses[3].set_message("spec");
  script.responses[4].mutable_digest()->front() ^= 1;
  const auto frames = Run({&script});
  EXPECT_EQ(frames[3].status(), absl::InvalidArgumentError("spec"));
  EXPECT_EQ(frames[4].status().code(), absl::StatusCode::kDataLoss);
  EXPECT_TRUE(frames[5].ok());
}

TEST_F(ClientBatchTest, OnlyWhatWasNotAnsweredIsSentAgain) {
  BatchScript broken = Answers(0, 7, absl::UnavailableError("gone")), rest = Answers(7, kItems);
  const auto frames = Run({&broken, &rest});
  for (std::size_t i = 0; i < kItems; ++i) EXPECT_EQ(Text(*frames[i]), std::to_string(i));
  EXPECT_EQ(rest.requests.size(), kItems - 7);
}

TEST_F(ClientBatchTest, WhatIsLeftHasTheErrorOfTheCall) {
  BatchScript script = Answers(0, 7, absl::PermissionDeniedError("scope"));
  const auto frames = Run({&script});
  EXPECT_TRUE(frames[6].ok());
  EXPECT_EQ(frames[7].status(), absl::PermissionDeniedError("scope"));
  EXPECT_EQ(frames.back().status(), absl::PermissionDeniedError("scope"));
}

TEST_F(ClientBatchTest, BrokenProtocolIsInternal) {
  BatchScript wrong_order = Answers(1, kItems), too_few = Answers(0, 7), too_many = Answers(0, kItems);
  too_many.responses.push_back(too_many.responses.back());
  EXPECT_EQ(Run({&wrong_order})[0].status().code(), absl::StatusCode::kInternal);
  EXPECT_EQ(Run({&too_few})[7].status().code(), absl::StatusCode::kInternal);
  EXPECT_TRUE(Run({&too_many}).back().ok()) << "nothing is left that could have an error";
}

TEST_F(ClientBatchTest, LargeItemIsACallOfItsOwn) {
  const Bytes large((1u << 20) + 1, std::byte{1});
  items_.resize(1);
  items_[0] = {.spec = {DType::kU8, {large.size()}, Layout::kNchw}, .data = large, .options = {}};
  const Client client = MakeClient();
  EXPECT_CALL(*connection_, BatchCompress(_)).Times(0);
  v1::GetCapabilitiesResponse capabilities;
  capabilities.set_max_unary_bytes(4u << 20);
  ON_CALL(*connection_, GetCapabilities(_)).WillByDefault(::testing::Return(capabilities));
  v1::CompressTensorResponse response;
  response.set_frame("large");
  response.set_digest(wire::ToProto(ComputeDigest(large)));
  EXPECT_CALL(*connection_, CompressTensor(_, _)).WillOnce(::testing::Return(response));
  EXPECT_EQ(Text(*client.BatchCompress(items_)[0]), "large");
}

TEST_F(ClientBatchTest, ClientSideCodecDoesBatchesToo) {
  const Client client(std::make_unique<::testing::StrictMock<MockConnection>>(), {});
  items_[1].spec.shape = {99};
  const auto frames = client.BatchCompress(items_);
  EXPECT_EQ(*frames[0], *Compress(items_[0].spec, items_[0].data));
  EXPECT_EQ(frames[1].status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(frames[2].ok());
  EXPECT_TRUE(client.BatchCompress({}).empty());
}

class ClientInspectTest : public ClientBatchTest {
 protected:
  absl::StatusOr<FrameInfo> Inspect(InspectScript& script) {
    const Client client = MakeClient();
    EXPECT_CALL(*connection_, Inspect(_)).WillOnce([&](const auto&) {
      return std::make_unique<ScriptedStream<v1::InspectRequest, v1::InspectResponse>>(script);
    });
    return client.Inspect(data_[0]);
  }

  InspectScript Answer() const {
    v1::InspectResponse response;
    response.set_consumed_bytes(data_[0].size());
    wire::ToProto(items_[0].spec, response.mutable_info()->mutable_spec());
    response.mutable_info()->set_digest(wire::ToProto(ComputeDigest(data_[0])));
    response.mutable_info()->set_mode("ls");
    response.mutable_info()->add_segments()->set_method("model");
    InspectScript script;
    script.responses.push_back(response);
    return script;
  }
};

TEST_F(ClientInspectTest, InfoIsTranslated) {
  InspectScript script = Answer();
  const auto info = Inspect(script);
  ASSERT_TRUE(info.ok()) << info.status();
  EXPECT_EQ(info->spec, items_[0].spec);
  EXPECT_EQ(info->digest, ComputeDigest(data_[0]));
  EXPECT_EQ(info->mode, "ls");
  EXPECT_EQ(info->segments.at(0).method, "model");
  EXPECT_EQ(script.requests.at(0).chunk().data().size(), data_[0].size());
}

TEST_F(ClientInspectTest, BrokenProtocolIsInternal) {
  InspectScript nothing, no_digest = Answer();
  no_digest.responses[0].mutable_info()->clear_digest();
  EXPECT_EQ(Inspect(nothing).status().code(), absl::StatusCode::kInternal);
  EXPECT_EQ(Inspect(no_digest).status().code(), absl::StatusCode::kInternal);
}

}  // namespace
}  // namespace dcac::client
