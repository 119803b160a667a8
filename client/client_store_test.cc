// The store on scripted servers: what broke off goes on, and what servers say is checked.
#include <gtest/gtest.h>

#include <string>

#include "client/mock_connection.h"
#include "dcac/client_store.h"
#include "proto/wire/convert.h"
#include "proto/wire/digest_accumulator.h"

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

  Store MakeStore() {
    ClientOptions options{.chunk_bytes = 2};
    options.retry.initial_backoff = options.retry.max_backoff = std::chrono::milliseconds(0);
    return Store(Client(std::unique_ptr<internal::Connection>(connection_), options));
  }

  absl::StatusOr<StoredObject> GetAll(std::string& got) {
    return MakeStore().GetStored("k", [&got](std::span<const std::byte> bytes) {
      got.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
      return absl::OkStatus();
    });
  }

  ::testing::NiceMock<MockConnection>* const connection_;  // the client's
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
