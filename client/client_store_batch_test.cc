// BatchPut and BatchGet against scripted streams.
#include <gtest/gtest.h>

#include <deque>
#include <string>
#include <vector>

#include "client/mock_connection.h"
#include "dcac/client_store.h"
#include "dcac/codec.h"
#include "proto/wire/convert.h"
#include "proto/wire/limits.h"

namespace dcac::client {
namespace {

using Bytes = std::vector<std::byte>;
using ::testing::_;
using ::testing::NiceMock;
using BatchPutScript = Script<v1::BatchPutRequest, v1::BatchPutResponse>;
using BatchGetScript = Script<v1::BatchGetRequest, v1::BatchGetResponse>;

constexpr std::size_t kObjects = 40;

class StoreBatchTest : public ::testing::Test {
 protected:
  StoreBatchTest() {
    for (std::size_t i = 0; i < kObjects; ++i) {
      data_.emplace_back(10 + i, static_cast<std::byte>(i));
      keys_.push_back("k" + std::to_string(i));
      items_.push_back({.key = keys_[i], .spec = {DType::kU8, {10 + i}, Layout::kNchw}, .data = {}, .options = {}});
    }
    for (std::size_t i = 0; i < kObjects; ++i) items_[i].data = data_[i];
  }

  Store MakeStore() {
    auto connection = std::make_unique<NiceMock<MockConnection>>();
    connection_ = connection.get();
    ClientOptions options;
    options.retry = {.max_attempts = 2,
                     .initial_backoff = std::chrono::milliseconds(0),
                     .max_backoff = std::chrono::milliseconds(0)};
    return Store(Client(std::move(connection), options));
  }

  v1::StoredObject ObjectOf(std::size_t i) const {
    v1::StoredObject object;
    object.set_key(keys_[i]);
    object.set_kind(v1::OBJECT_KIND_TENSOR);
    wire::ToProto(items_[i].spec, object.mutable_spec());
    object.set_raw_bytes(data_[i].size());
    object.set_digest(wire::ToProto(ComputeDigest(data_[i])));
    object.set_version("v" + std::to_string(i));
    return object;
  }

  BatchPutScript PutAnswers(std::size_t begin, std::size_t end, const absl::Status& status = absl::OkStatus()) const {
    BatchPutScript script{.status = status};
    for (std::size_t i = begin; i < end; ++i) {
      script.responses.emplace_back().set_item_id(i);
      *script.responses.back().mutable_object() = ObjectOf(i);
    }
    return script;
  }

  // The answers of a call for the keys from `begin` on.
  BatchGetScript GetAnswers(std::size_t begin, std::size_t end, const absl::Status& status = absl::OkStatus()) const {
    BatchGetScript script{.status = status};
    for (std::size_t i = begin; i < end; ++i) {
      v1::BatchGetResponse& response = script.responses.emplace_back();
      response.set_key_index(i - begin);
      *response.mutable_object() = ObjectOf(i);
      response.set_data(data_[i].data(), data_[i].size());
    }
    return script;
  }

  // Calls are answered by `scripts`, one after the other.
  std::vector<absl::StatusOr<StoredObject>> Put(std::vector<BatchPutScript*> scripts, Codec codec = Codec::kServer) {
    const Store store = MakeStore();
    std::size_t calls = 0;
    EXPECT_CALL(*connection_, BatchPut(_)).Times(static_cast<int>(scripts.size())).WillRepeatedly([&](const auto&) {
      return std::make_unique<ScriptedStream<v1::BatchPutRequest, v1::BatchPutResponse>>(*scripts[calls++]);
    });
    return store.BatchPut(items_, {.codec = codec});
  }

  std::vector<absl::StatusOr<StoredTensor>> Get(std::vector<BatchGetScript*> scripts) {
    const Store store = MakeStore();
    return GetFrom(store, scripts);
  }

  std::vector<absl::StatusOr<StoredTensor>> GetFrom(const Store& store, std::vector<BatchGetScript*> scripts) {
    std::size_t calls = 0;
    EXPECT_CALL(*connection_, BatchGet(_, _))
        .Times(static_cast<int>(scripts.size()))
        .WillRepeatedly([&](const auto&, const v1::BatchGetRequest& request) {
          scripts[calls]->requests.push_back(request);
          return std::make_unique<ScriptedStream<v1::BatchGetRequest, v1::BatchGetResponse>>(*scripts[calls++]);
        });
    return store.BatchGet(keys_, {.codec = Codec::kServer});
  }

  NiceMock<MockConnection>* connection_ = nullptr;
  std::vector<Bytes> data_;
  std::vector<std::string> keys_;
  std::vector<PutItem> items_;
};

TEST_F(StoreBatchTest, EveryItemGetsItsObject) {
  BatchPutScript script = PutAnswers(0, kObjects);
  items_[2].options = {.ttl = std::chrono::milliseconds(1500), .if_absent = true};
  const auto objects = Put({&script});
  ASSERT_EQ(objects.size(), kObjects);
  for (std::size_t i = 0; i < kObjects; ++i) EXPECT_EQ(objects[i]->version, "v" + std::to_string(i));
  EXPECT_EQ(script.requests_at_reads.at(0), 16u) << "that are unanswered";
  EXPECT_TRUE(script.writes_done);
  EXPECT_EQ(script.requests[2].key(), "k2");
  EXPECT_EQ(script.requests[2].ttl().seconds(), 1);
  EXPECT_TRUE(script.requests[2].condition().if_absent());
  EXPECT_FALSE(script.requests[3].has_condition());
  EXPECT_EQ(script.requests[3].data().size(), data_[3].size());
}

// More of the longest keys than one message can have.
std::vector<std::string> LongKeys() {
  std::vector<std::string> keys;
  for (int i = 0; i < 9'000; ++i) keys.push_back(std::to_string(10'000 + i) + std::string(1000, 'k'));
  return keys;
}

TEST_F(StoreBatchTest, KeysOfFindMissingFitTheirMessages) {
  const std::vector<std::string> keys = LongKeys();
  const Store store = MakeStore();
  EXPECT_CALL(*connection_, FindMissing(_, _))
      .Times(3)
      .WillRepeatedly([](const auto&, const v1::FindMissingRequest& request) {
        EXPECT_LE(request.ByteSizeLong(), wire::kMaxMessageBytes);
        v1::FindMissingResponse response;
        *response.mutable_missing_keys() = request.keys();
        return response;
      });
  const auto missing = store.FindMissing(keys);
  ASSERT_TRUE(missing.ok()) << missing.status();
  EXPECT_EQ(*missing, keys);
}

TEST_F(StoreBatchTest, KeysOfBatchGetFitTheirMessages) {
  keys_ = LongKeys();
  const Store store = MakeStore();
  std::size_t asked = 0;
  std::deque<BatchGetScript> scripts;
  EXPECT_CALL(*connection_, BatchGet(_, _))
      .Times(3)
      .WillRepeatedly([&](const auto&, const v1::BatchGetRequest& request) {
        EXPECT_LE(request.ByteSizeLong(), wire::kMaxMessageBytes);
        BatchGetScript script;
        for (int i = 0; i < request.keys_size(); ++i) {
          EXPECT_EQ(request.keys(i), keys_[asked++]);
          script.responses.emplace_back().set_key_index(static_cast<std::uint64_t>(i));
          script.responses.back().set_code(static_cast<int>(absl::StatusCode::kNotFound));
        }
        scripts.push_back(std::move(script));
        return std::make_unique<ScriptedStream<v1::BatchGetRequest, v1::BatchGetResponse>>(scripts.back());
      });
  EXPECT_EQ(store.BatchGet(keys_, {.codec = Codec::kServer}).size(), keys_.size());
  EXPECT_EQ(asked, keys_.size());
}

TEST_F(StoreBatchTest, FramesAreMadeHere) {
  items_[1].spec.shape = {99};  // is not sent
  BatchPutScript script = PutAnswers(0, kObjects);
  script.responses.erase(script.responses.begin() + 1);
  const auto objects = Put({&script}, Codec::kClient);
  EXPECT_EQ(objects[1].status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(objects[2].ok()) << objects[2].status();
  ASSERT_EQ(script.requests.size(), kObjects - 1);
  const Bytes frame = *Compress(items_[2].spec, items_[2].data);
  EXPECT_EQ(script.requests[1].frame().stored_bytes(), frame.size());
  EXPECT_EQ(script.requests[1].data(), std::string(reinterpret_cast<const char*>(frame.data()), frame.size()));
}

TEST_F(StoreBatchTest, OnlyWhatWasNotAnsweredIsSentAgain) {
  BatchPutScript broken = PutAnswers(0, 7, absl::UnavailableError("gone")), rest = PutAnswers(7, kObjects);
  for (const auto& object : Put({&broken, &rest}, Codec::kClient)) EXPECT_TRUE(object.ok()) << object.status();
  EXPECT_EQ(rest.requests.size(), kObjects - 7);
  BatchGetScript half = GetAnswers(0, 7, absl::UnavailableError("gone")), other = GetAnswers(7, kObjects);
  const auto tensors = Get({&half, &other});
  for (std::size_t i = 0; i < kObjects; ++i) EXPECT_EQ(tensors[i]->tensor.data, data_[i]);
  EXPECT_EQ(other.requests.at(0).keys_size(), static_cast<int>(kObjects - 7));
}

TEST_F(StoreBatchTest, ErrorOfAnItemIsItsOwn) {
  BatchPutScript put = PutAnswers(0, kObjects);
  put.responses[3].set_code(6);
  put.responses[3].set_message("there");
  EXPECT_EQ(Put({&put})[3].status(), absl::AlreadyExistsError("there"));
  BatchGetScript get = GetAnswers(0, kObjects);
  get.responses[3].set_code(5);
  get.responses[3].set_message("none");
  get.responses[4].mutable_data()->front() ^= 1;
  get.responses[5].mutable_data()->pop_back();
  const auto tensors = Get({&get});
  EXPECT_EQ(tensors[3].status(), absl::NotFoundError("none"));
  EXPECT_EQ(tensors[4].status().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(tensors[5].status().code(), absl::StatusCode::kInternal);
  EXPECT_TRUE(tensors[6].ok());
}

TEST_F(StoreBatchTest, WhatIsTooLargeForABatchIsReadAlone) {
  const Store store = MakeStore();
  BatchGetScript script = GetAnswers(0, kObjects);
  script.responses[3] = v1::BatchGetResponse();
  script.responses[3].set_key_index(3);
  script.responses[3].set_code(8);
  EXPECT_CALL(*connection_, Get(_, _)).WillOnce([](const auto&, const v1::GetRequest& request) {
    EXPECT_EQ(request.key(), "k3");
    static Script<v1::GetRequest, v1::GetResponse> single{.status = absl::ResourceExhaustedError("alone as well")};
    return std::make_unique<ScriptedStream<v1::GetRequest, v1::GetResponse>>(single);
  });
  EXPECT_EQ(GetFrom(store, {&script})[3].status(), absl::ResourceExhaustedError("alone as well"));
}

TEST_F(StoreBatchTest, WhatIsLeftHasTheErrorOfTheCall) {
  BatchPutScript put = PutAnswers(0, 7, absl::PermissionDeniedError("scope"));
  const auto objects = Put({&put});
  EXPECT_TRUE(objects[6].ok());
  EXPECT_EQ(objects[7].status(), absl::PermissionDeniedError("scope"));
  BatchGetScript get = GetAnswers(0, 7, absl::PermissionDeniedError("scope"));
  const auto tensors = Get({&get});
  EXPECT_TRUE(tensors[6].ok());
  EXPECT_EQ(tensors.back().status(), absl::PermissionDeniedError("scope"));
}

TEST_F(StoreBatchTest, BrokenProtocolIsInternal) {
  BatchPutScript wrong_order = PutAnswers(1, kObjects), too_few = PutAnswers(0, 7);
  EXPECT_EQ(Put({&wrong_order})[0].status().code(), absl::StatusCode::kInternal);
  EXPECT_EQ(Put({&too_few})[7].status().code(), absl::StatusCode::kInternal);
  BatchGetScript other_key = GetAnswers(0, kObjects), missing = GetAnswers(0, 7);
  other_key.responses[2].set_key_index(3);
  EXPECT_EQ(Get({&other_key})[2].status().code(), absl::StatusCode::kInternal);
  EXPECT_EQ(Get({&missing})[7].status().code(), absl::StatusCode::kInternal);
}

TEST_F(StoreBatchTest, NothingIsNoCall) {
  const Store store = MakeStore();
  EXPECT_CALL(*connection_, BatchPut(_)).Times(0);
  EXPECT_CALL(*connection_, BatchGet(_, _)).Times(0);
  EXPECT_TRUE(store.BatchPut({}).empty());
  EXPECT_TRUE(store.BatchGet({}).empty());
}

}  // namespace
}  // namespace dcac::client
