// The store on scripted servers: what broke off goes on, and what servers say is checked.
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "client/mock_connection.h"
#include "dcac/client_store.h"
#include "proto/wire/convert.h"
#include "proto/wire/digest_accumulator.h"
#include "proto/wire/retry_info.h"

namespace dcac::client {
namespace {

using ::testing::_;
using ::testing::Return;

using PutScript = Script<v1::PutRequest, v1::PutResponse>;
using GetScript = Script<v1::GetRequest, v1::GetResponse>;
using PutStream = ScriptedStream<v1::PutRequest, v1::PutResponse>;
using GetStream = ScriptedStream<v1::GetRequest, v1::GetResponse>;

std::string DigestOf(const std::string& bytes) {
  wire::DigestAccumulator digest;
  digest.Update(wire::AsBytes(bytes));
  return wire::ToProto(digest.Get());
}

v1::StoredObject ArchiveOf(const std::string& bytes) {
  v1::StoredObject object;
  object.set_key("k");
  object.set_kind(v1::OBJECT_KIND_ARCHIVE);
  object.set_stored_bytes(bytes.size());
  object.set_digest(DigestOf(bytes));
  object.set_version("v1");
  return object;
}

v1::GetResponse StartOf(const std::string& all, std::uint64_t returned_bytes) {
  v1::GetResponse response;
  *response.mutable_start()->mutable_object() = ArchiveOf(all);
  response.mutable_start()->set_returned_bytes(returned_bytes);
  return response;
}

v1::StoredObject TensorOf(const std::string& bytes, const std::string& version) {
  v1::StoredObject object = ArchiveOf(bytes);
  object.set_kind(v1::OBJECT_KIND_TENSOR);
  wire::ToProto(TensorSpec{DType::kU8, {bytes.size()}, Layout::kNchw}, object.mutable_spec());
  object.set_raw_bytes(bytes.size());
  object.set_version(version);
  return object;
}

v1::GetResponse StartOf(const v1::StoredObject& object) {
  v1::GetResponse response;
  *response.mutable_start()->mutable_object() = object;
  response.mutable_start()->set_returned_bytes(object.raw_bytes());
  return response;
}

ChunkSink AppendTo(std::string& text) {
  return [&text](std::span<const std::byte> bytes) {
    text.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    return absl::OkStatus();
  };
}

v1::GetResponse ChunkOf(std::uint64_t offset, const std::string& data) {
  v1::GetResponse response;
  response.mutable_chunk()->set_offset(offset);
  response.mutable_chunk()->set_data(data);
  return response;
}

v1::GetResponse TrailerOf(const std::string& returned) {
  v1::GetResponse response;
  response.mutable_trailer()->set_digest(DigestOf(returned));
  response.mutable_trailer()->set_returned_bytes(returned.size());
  return response;
}

class StoreTest : public ::testing::Test {
 protected:
  StoreTest() : connection_(new ::testing::NiceMock<MockConnection>) {}

  ~StoreTest() override {
    if (!taken_) delete connection_;
  }

  static Store StoreOn(MockConnection* connection, std::size_t chunk_bytes = 2) {
    ClientOptions options{.chunk_bytes = chunk_bytes};
    options.retry.initial_backoff = options.retry.max_backoff = std::chrono::milliseconds(0);
    return Store(Client(std::unique_ptr<internal::Connection>(connection), options));
  }

  Store MakeStore() {
    taken_ = true;
    return StoreOn(connection_);
  }

  absl::StatusOr<StoredObject> GetAll(std::string& got) { return MakeStore().GetStored("k", AppendTo(got)); }

  ::testing::NiceMock<MockConnection>* const connection_;
  bool taken_ = false;  // the client has it
};

TEST_F(StoreTest, APutThatBrokeOffGoesOnWhereTheServerIs) {
  PutScript first{.status = absl::UnavailableError("gone")}, second;
  first.responses.emplace_back().set_upload_id("u");
  v1::PutResponse& consumed = first.responses.emplace_back();
  consumed.set_consumed_bytes(4);
  v1::PutResponse& last = second.responses.emplace_back();
  last.set_consumed_bytes(6);
  *last.mutable_object() = ArchiveOf("abcdef");
  EXPECT_CALL(*connection_, Put(_))
      .WillOnce([&](const auto&) { return std::make_unique<PutStream>(first); })
      .WillOnce([&](const auto&) { return std::make_unique<PutStream>(second); });
  v1::QueryUploadResponse committed;
  committed.set_committed_bytes(2);
  EXPECT_CALL(*connection_, QueryUpload(_, _)).WillOnce(Return(committed));

  const std::string bytes = "abcdef";
  const absl::StatusOr<StoredObject> object = MakeStore().PutArchive("k", AccessMemory(wire::AsBytes(bytes)), 9);

  ASSERT_TRUE(object.ok()) << object.status();
  EXPECT_EQ(object->version, "v1");
  EXPECT_EQ(first.requests.at(0).header().upload_id(), "");
  ASSERT_EQ(second.requests.size(), 4u);
  EXPECT_EQ(second.requests[0].header().upload_id(), "u");
  EXPECT_EQ(second.requests[1].chunk().offset(), 2u);
  EXPECT_EQ(second.requests[1].chunk().data(), "cd");
  EXPECT_EQ(second.requests[3].trailer().digest(), DigestOf(bytes));
}

TEST_F(StoreTest, APutAfterARefusedOneBeginsWithSmallChunks) {
  PutScript first{.status = wire::WithRetryDelay(absl::ResourceExhaustedError("full"), std::chrono::milliseconds(0))};
  PutScript second;
  const std::string bytes(300'000, 'x');
  second.responses.emplace_back().set_consumed_bytes(128u << 10);
  v1::PutResponse& last = second.responses.emplace_back();
  last.set_consumed_bytes(bytes.size());
  *last.mutable_object() = ArchiveOf(bytes);
  EXPECT_CALL(*connection_, Put(_))
      .WillOnce([&](const auto&) { return std::make_unique<PutStream>(first); })
      .WillOnce([&](const auto&) { return std::make_unique<PutStream>(second); });
  taken_ = true;
  const auto put = StoreOn(connection_, 100u << 10).PutArchive("k", AccessMemory(wire::AsBytes(bytes)), 9);
  EXPECT_TRUE(put.ok()) << put.status();
  EXPECT_EQ(first.requests.at(1).chunk().data().size(), 100u << 10);
  EXPECT_EQ(second.requests.at(1).chunk().data().size(), 64u << 10);
  EXPECT_EQ(second.requests.at(2).chunk().data().size(), 64u << 10);
  EXPECT_EQ(second.requests.at(3).chunk().data().size(), 100u << 10) << "the server has answered";
}

TEST_F(StoreTest, AnUploadThatIsForgottenBeginsAgain) {
  PutScript first{.status = absl::UnavailableError("gone")}, second;
  first.responses.emplace_back().set_upload_id("u");
  v1::PutResponse& last = second.responses.emplace_back();
  *last.mutable_object() = ArchiveOf("ab");
  EXPECT_CALL(*connection_, Put(_))
      .WillOnce([&](const auto&) { return std::make_unique<PutStream>(first); })
      .WillOnce([&](const auto&) { return std::make_unique<PutStream>(second); });
  EXPECT_CALL(*connection_, QueryUpload(_, _)).WillOnce(Return(absl::NotFoundError("no such upload")));
  const std::string bytes = "ab";
  EXPECT_TRUE(MakeStore().PutArchive("k", AccessMemory(wire::AsBytes(bytes)), 9).ok());
  EXPECT_EQ(second.requests.at(0).header().upload_id(), "");
  EXPECT_EQ(second.requests.at(1).chunk().offset(), 0u);
}

TEST_F(StoreTest, AnUploadOfAnotherProcessGoesOn) {
  PutScript script;
  script.responses.emplace_back().set_upload_id("old");
  script.responses.back().set_consumed_bytes(5);
  v1::PutResponse& last = script.responses.emplace_back();
  last.set_consumed_bytes(6);
  *last.mutable_object() = ArchiveOf("abcdef");
  EXPECT_CALL(*connection_, Put(_)).WillOnce([&](const auto&) { return std::make_unique<PutStream>(script); });
  v1::QueryUploadResponse committed;
  committed.set_committed_bytes(5);
  EXPECT_CALL(*connection_, QueryUpload(_, _)).WillOnce(Return(committed));
  const std::string bytes = "abcdef";
  PutOptions options{.upload_id = "old"};
  options.on_upload = [](const std::string&) { FAIL() << "it is known already"; };
  EXPECT_TRUE(MakeStore().PutArchive("k", AccessMemory(wire::AsBytes(bytes)), 9, options).ok());
  ASSERT_EQ(script.requests.size(), 3u);
  EXPECT_EQ(script.requests[0].header().upload_id(), "old");
  EXPECT_EQ(script.requests[1].chunk().offset(), 5u);
  EXPECT_EQ(script.requests[1].chunk().data(), "f");
  EXPECT_EQ(script.requests[2].trailer().digest(), DigestOf(bytes));
}

TEST_F(StoreTest, AnUploadOfAnotherProcessThatIsForgottenBegins) {
  PutScript script;
  script.responses.emplace_back().set_upload_id("new");
  *script.responses.emplace_back().mutable_object() = ArchiveOf("ab");
  EXPECT_CALL(*connection_, Put(_)).WillOnce([&](const auto&) { return std::make_unique<PutStream>(script); });
  EXPECT_CALL(*connection_, QueryUpload(_, _)).WillOnce(Return(absl::NotFoundError("no such upload")));
  const std::string bytes = "ab";
  std::string told;
  PutOptions options{.upload_id = "old"};
  options.on_upload = [&](const std::string& id) { told = id; };
  EXPECT_TRUE(MakeStore().PutArchive("k", AccessMemory(wire::AsBytes(bytes)), 9, options).ok());
  EXPECT_EQ(script.requests.at(0).header().upload_id(), "");
  EXPECT_EQ(told, "new");
}

TEST_F(StoreTest, AGetThatBrokeOffAsksForTheRestOfTheSameVersion) {
  GetScript first{.responses = {StartOf("abcdef", 6), ChunkOf(0, "abcd")}, .status = absl::UnavailableError("gone")};
  GetScript second{.responses = {StartOf("abcdef", 2), ChunkOf(0, "ef"), TrailerOf("ef")}};
  v1::GetRequest again;
  EXPECT_CALL(*connection_, Get(_, _))
      .WillOnce([&](const auto&, const auto&) { return std::make_unique<GetStream>(first); })
      .WillOnce([&](const auto&, const v1::GetRequest& request) {
        again = request;
        return std::make_unique<GetStream>(second);
      });
  std::string got;
  const absl::StatusOr<StoredObject> object = GetAll(got);
  ASSERT_TRUE(object.ok()) << object.status();
  EXPECT_EQ(got, "abcdef");
  EXPECT_EQ(again.if_version(), "v1");
  EXPECT_EQ(again.range().offset(), 4u);
  EXPECT_EQ(again.range().size(), 2u);
}

TEST_F(StoreTest, WhatIsPutAnewIsNeverMixed) {
  const std::string bytes(100, 'x');
  const v1::StoredObject older = TensorOf(bytes, "v1"), newer = TensorOf(std::string(100, 'y'), "v2");
  GetScript first{.responses = {StartOf(older), ChunkOf(0, bytes.substr(0, 40))},
                  .status = absl::UnavailableError("gone")};
  GetScript second{.status = absl::AbortedError("put anew")};
  GetScript third{.responses = {StartOf(newer), ChunkOf(0, std::string(100, 'y')), TrailerOf(std::string(100, 'y'))}};
  const auto run = [&](const std::function<absl::Status(const Store&)>& get) {
    auto* connection = new ::testing::NiceMock<MockConnection>;
    GetScript scripts[] = {first, second, third};
    int call = 0;
    ON_CALL(*connection, Get(_, _)).WillByDefault([&](const auto&, const auto&) {
      return std::make_unique<GetStream>(scripts[call++]);
    });
    return get(StoreOn(connection));
  };
  EXPECT_TRUE(run([&](const Store& store) {
                const auto got = store.Get("k", {}, {.codec = Codec::kServer});
                EXPECT_EQ(got->object.version, "v2");
                EXPECT_EQ(got->tensor.data, std::vector<std::byte>(100, std::byte{'y'}));
                return got.status();
              }).ok());
  EXPECT_EQ(run([&](const Store& store) {
              return store.Get("k", {.if_version = "v1"}, {.codec = Codec::kServer}).status();
            }).code(),
            absl::StatusCode::kAborted);
  std::string got;
  EXPECT_EQ(run([&](const Store& store) { return store.GetStored("k", AppendTo(got)).status(); }).code(),
            absl::StatusCode::kAborted);
  EXPECT_EQ(got, bytes.substr(0, 40));
}

TEST_F(StoreTest, ASliceThatBrokeOffBeginsAgainInMemory) {
  const std::string bytes(100, 'x');
  GetScript first{.responses = {StartOf(TensorOf(bytes, "v1")), ChunkOf(0, "xxxx")},
                  .status = absl::UnavailableError("gone")};
  GetScript second{.responses = {StartOf(TensorOf(bytes, "v1")), ChunkOf(0, bytes), TrailerOf(bytes)}};
  EXPECT_CALL(*connection_, Get(_, _))
      .WillOnce([&](const auto&, const auto&) { return std::make_unique<GetStream>(first); })
      .WillOnce([&](const auto&, const v1::GetRequest& request) {
        EXPECT_EQ(request.if_version(), "v1");
        EXPECT_TRUE(request.has_slice());
        return std::make_unique<GetStream>(second);
      });
  std::vector<std::byte> memory(100);
  EXPECT_TRUE(MakeStore().GetInto("k", memory, {.slice = Slice{}}).ok());
  EXPECT_EQ(memory, std::vector<std::byte>(100, std::byte{'x'}));
}

TEST_F(StoreTest, TheRestOfAnotherVersionIsRefused) {
  GetScript first{.responses = {StartOf("abcdef", 6), ChunkOf(0, "abcd")}, .status = absl::UnavailableError("gone")};
  v1::GetResponse other = StartOf("abcdef", 2);
  other.mutable_start()->mutable_object()->set_version("v2");
  GetScript second{.responses = {other, ChunkOf(0, "zz"), TrailerOf("zz")}};
  EXPECT_CALL(*connection_, Get(_, _))
      .WillOnce([&](const auto&, const auto&) { return std::make_unique<GetStream>(first); })
      .WillOnce([&](const auto&, const auto&) { return std::make_unique<GetStream>(second); });
  std::string got;
  EXPECT_EQ(GetAll(got).status().code(), absl::StatusCode::kInternal);
  EXPECT_EQ(got, "abcd");
}

TEST_F(StoreTest, AStreamThatBrokeOffGoesOnWithWhatIsKept) {
  PutScript first{.status = absl::UnavailableError("gone")}, second;
  first.responses.emplace_back().set_upload_id("u");
  second.responses.emplace_back().set_consumed_bytes(4);
  second.responses.emplace_back().set_consumed_bytes(4);
  *second.responses.back().mutable_object() = TensorOf("abcd", "v1");
  EXPECT_CALL(*connection_, Put(_))
      .WillOnce([&](const auto&) { return std::make_unique<PutStream>(first); })
      .WillOnce([&](const auto&) { return std::make_unique<PutStream>(second); });
  EXPECT_CALL(*connection_, QueryUpload(_, _)).WillOnce(Return(v1::QueryUploadResponse()));
  const std::string bytes = "abcd";
  bool given = false;
  const ChunkSource source = [&]() -> absl::StatusOr<std::span<const std::byte>> {
    return std::exchange(given, true) ? std::span<const std::byte>() : wire::AsBytes(bytes);
  };
  const auto put = MakeStore().PutStream("k", {DType::kU8, {4}, Layout::kNchw}, source);
  ASSERT_TRUE(put.ok()) << put.status();
  EXPECT_EQ(first.requests.at(0).header().tensor().spec().shape(0), 4u);
  EXPECT_EQ(second.requests.at(1).chunk().data(), "ab");
  EXPECT_EQ(second.requests.back().trailer().digest(), DigestOf(bytes));
}

TEST_F(StoreTest, BytesThatDifferFromTheTrailerAreDataLoss) {
  GetScript script{.responses = {StartOf("ab", 2), ChunkOf(0, "ax"), TrailerOf("ab")}};
  EXPECT_CALL(*connection_, Get(_, _)).WillOnce([&](const auto&, const auto&) {
    return std::make_unique<GetStream>(script);
  });
  std::string got;
  EXPECT_EQ(GetAll(got).status().code(), absl::StatusCode::kDataLoss);
}

TEST_F(StoreTest, MoreBytesThanAnnouncedAreDataLoss) {
  GetScript script{.responses = {StartOf("ab", 2), ChunkOf(0, "abc")}};
  EXPECT_CALL(*connection_, Get(_, _)).WillOnce([&](const auto&, const auto&) {
    return std::make_unique<GetStream>(script);
  });
  std::string got;
  EXPECT_EQ(GetAll(got).status().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(got, "");
}

TEST_F(StoreTest, AnErrorOfTheSinkEndsTheCallWhateverItsCode) {
  GetScript script{.responses = {StartOf("ab", 2), ChunkOf(0, "ab")}};
  EXPECT_CALL(*connection_, Get(_, _)).WillOnce([&](const auto&, const auto&) {
    return std::make_unique<GetStream>(script);
  });
  const absl::Status status = MakeStore().GetStored("k", [](auto) { return absl::UnavailableError("mine"); }).status();
  EXPECT_EQ(status.message(), "mine");
}

TEST_F(StoreTest, ListsAreWalkedPageByPage) {
  v1::ListResponse first, second;
  *first.add_objects() = ArchiveOf("a");
  first.set_next_page_token("t");
  *second.add_objects() = ArchiveOf("b");
  EXPECT_CALL(*connection_, List(_, _)).WillOnce(Return(first)).WillOnce(Return(second));
  int seen = 0;
  EXPECT_TRUE(MakeStore()
                  .ForEach("",
                           [&](const StoredObject&) {
                             ++seen;
                             return absl::OkStatus();
                           })
                  .ok());
  EXPECT_EQ(seen, 2);
}

}  // namespace
}  // namespace dcac::client
