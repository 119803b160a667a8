#include "server/batch_store_sessions.h"

#include <gtest/gtest.h>

#include "dcac/codec.h"
#include "proto/wire/limits.h"
#include "server/store_session_driver.h"

namespace dcac::server {
namespace {

using absl::StatusCode;

class BatchStoreSessionsTest : public StoreSessionTest {
 protected:
  static v1::BatchPutRequest Item(std::uint64_t id, const std::string& key, std::span<const std::byte> data) {
    v1::BatchPutRequest item;
    item.set_item_id(id);
    item.set_key(key);
    item.set_data(data.data(), data.size());
    return item;
  }

  static v1::BatchPutRequest TensorItem(std::uint64_t id, const std::string& key, const TensorSpec& spec,
                                        std::span<const std::byte> data) {
    v1::BatchPutRequest item = Item(id, key, data);
    wire::ToProto(spec, item.mutable_tensor()->mutable_spec());
    return item;
  }

  static v1::BatchPutRequest FrameItem(std::uint64_t id, const std::string& key, std::span<const std::byte> frame) {
    v1::BatchPutRequest item = Item(id, key, frame);
    item.mutable_frame()->set_stored_bytes(frame.size());
    return item;
  }

  // All items at once, as the reactor gives them.
  std::vector<v1::BatchPutResponse> Put(std::vector<v1::BatchPutRequest> items) {
    BatchPutSession session(Context());
    std::vector<v1::BatchPutResponse> replies;
    EXPECT_LE(items.size(), session.max_requests_at_once());
    for (v1::BatchPutRequest& item : items) EXPECT_TRUE(session.Accept(std::move(item)).ok());
    EXPECT_TRUE(WorkOff(session, &replies).ok());
    EXPECT_FALSE(session.done());
    EXPECT_TRUE(session.AcceptEnd().ok());
    EXPECT_TRUE(session.done());
    return replies;
  }

  std::vector<v1::BatchGetResponse> Get(const std::vector<std::string>& keys,
                                        v1::ObjectForm form = v1::OBJECT_FORM_UNSPECIFIED) {
    v1::BatchGetRequest request;
    for (const std::string& key : keys) request.add_keys(key);
    request.set_form(form);
    BatchGetSession session(Context());
    auto outcome = Drive(session, std::vector<v1::BatchGetRequest>{request});
    EXPECT_TRUE(outcome.status.ok()) << outcome.status;
    EXPECT_TRUE(session.done());
    EXPECT_EQ(outcome.replies.size(), keys.size());
    return outcome.replies;
  }

  template <typename Response>
  static std::vector<StatusCode> Codes(const std::vector<Response>& replies) {
    std::vector<StatusCode> codes;
    for (const Response& reply : replies) {
      codes.push_back(static_cast<StatusCode>(reply.code()));
      EXPECT_EQ(reply.message().empty(), reply.code() == 0);
      EXPECT_EQ(reply.has_object(), reply.code() == 0);
    }
    return codes;
  }

  const Bytes data_ = SmoothBytes(1800);
  const Bytes frame_ = *Compress(kSpec, data_);
};

TEST_F(BatchStoreSessionsTest, PutsInTheOrderOfTheItems) {
  std::vector<v1::BatchPutRequest> items;
  for (std::uint64_t id = 0; id < 10; ++id) {
    const std::string key = "k" + std::to_string(id);
    items.push_back(id % 2 == 0 ? TensorItem(10 + id, key, kSpec, data_) : FrameItem(10 + id, key, frame_));
  }
  const auto replies = Put(std::move(items));
  ASSERT_EQ(replies.size(), 10u);
  EXPECT_EQ(Codes(replies), std::vector<StatusCode>(10, StatusCode::kOk));
  for (std::size_t i = 0; i < replies.size(); ++i) {
    EXPECT_EQ(replies[i].item_id(), 10 + i);
    EXPECT_EQ(replies[i].object().key(), "k" + std::to_string(i));
    EXPECT_EQ(replies[i].object().digest(), wire::ToProto(ComputeDigest(data_)));
    EXPECT_EQ(Stored("vision/" + replies[i].object().key()), frame_);
  }
}

TEST_F(BatchStoreSessionsTest, BadItemsDoNotSpoilTheOthers) {
  Bytes flipped = frame_, longer = frame_;
  flipped[frame_.size() / 2] ^= std::byte{1};
  longer.push_back(std::byte{0});
  const TensorSpec large{DType::kU8, {wire::kMaxBatchItemBytes + 1}, Layout::kFlat};
  v1::BatchPutRequest no_time = FrameItem(8, "ttl", frame_);
  no_time.mutable_ttl();
  const auto replies =
      Put({TensorItem(0, "size", kSpec, std::span(data_).first(1799)), FrameItem(1, "flipped", flipped),
           FrameItem(2, "longer", longer), FrameItem(3, "cut", std::span(frame_).first(frame_.size() - 1)),
           Item(4, "nothing", frame_), FrameItem(5, "a//b", frame_),
           TensorItem(6, "large", large, Bytes(wire::kMaxBatchItemBytes + 1)), FrameItem(7, "good", frame_), no_time});
  EXPECT_EQ(Codes(replies),
            (std::vector{StatusCode::kInvalidArgument, StatusCode::kDataLoss, StatusCode::kDataLoss,
                         StatusCode::kDataLoss, StatusCode::kInvalidArgument, StatusCode::kInvalidArgument,
                         StatusCode::kResourceExhausted, StatusCode::kOk, StatusCode::kInvalidArgument}));
  EXPECT_EQ(store_->Status().usage.blocks, 1u);
  EXPECT_EQ(Stored("vision/good"), frame_);
}

TEST_F(BatchStoreSessionsTest, ConditionsAndQuotaAreThoseOfEachItem) {
  v1::BatchPutRequest absent = FrameItem(0, "k", frame_), digest = FrameItem(1, "k", frame_);
  absent.mutable_condition()->set_if_absent(true);
  digest.mutable_condition()->set_if_digest(wire::ToProto(ComputeDigest(frame_)));
  EXPECT_EQ(Codes(Put({absent})), (std::vector{StatusCode::kOk}));
  EXPECT_EQ(Codes(Put({absent, digest, FrameItem(2, "l", frame_)})),
            (std::vector{StatusCode::kAlreadyExists, StatusCode::kAborted, StatusCode::kOk}));
  OpenStore({.owner_quota_bytes = std::max<std::size_t>(512, frame_.size())});
  EXPECT_EQ(Codes(Put({FrameItem(0, "a", frame_)})), (std::vector{StatusCode::kOk}));
  EXPECT_EQ(Codes(Put({FrameItem(0, "b", frame_)})), (std::vector{StatusCode::kResourceExhausted}));
}

TEST_F(BatchStoreSessionsTest, GetsInTheOrderOfTheKeys) {
  PutTensor("a", kSpec, data_);
  PutTensor("b", kSpec, Bytes(1800));
  const auto replies = Get({"b", "missing", "a", "a//", "b"});
  EXPECT_EQ(Codes(replies), (std::vector{StatusCode::kOk, StatusCode::kNotFound, StatusCode::kOk,
                                         StatusCode::kInvalidArgument, StatusCode::kOk}));
  for (std::size_t i = 0; i < replies.size(); ++i) EXPECT_EQ(replies[i].key_index(), i);
  EXPECT_TRUE(std::ranges::equal(wire::AsBytes(replies[2].data()), data_));
  EXPECT_TRUE(std::ranges::equal(wire::AsBytes(replies[4].data()), Bytes(1800)));
  const auto stored = Get({"a"}, v1::OBJECT_FORM_STORED);
  EXPECT_TRUE(std::ranges::equal(wire::AsBytes(stored[0].data()), frame_));
}

TEST_F(BatchStoreSessionsTest, LargeAndDamagedObjectsAreTold) {
  const TensorSpec large{DType::kU8, {wire::kMaxBatchItemBytes + 1}, Layout::kFlat};
  PutTensor("large", large, Bytes(wire::kMaxBatchItemBytes + 1));
  store::PutOptions options;
  ASSERT_TRUE(DescribeTensor(kSpec, ComputeDigest(data_), &options).ok());
  Bytes flipped = frame_;
  flipped[frame_.size() / 2] ^= std::byte{1};
  PutBlock("vision/bad", flipped, options);
  PutTensor("good", kSpec, data_);
  const auto replies = Get({"large", "bad", "good"});
  EXPECT_EQ(Codes(replies), (std::vector{StatusCode::kResourceExhausted, StatusCode::kDataLoss, StatusCode::kOk}));
  EXPECT_TRUE(replies[0].data().empty() && replies[1].data().empty());
}

TEST_F(BatchStoreSessionsTest, KeysAreBounded) {
  v1::BatchGetRequest request;
  for (int i = 0; i < 10'001; ++i) request.add_keys("k");
  BatchGetSession session(Context());
  EXPECT_EQ(session.Accept(std::move(request)).code(), StatusCode::kInvalidArgument);
  EXPECT_TRUE(Get({}).empty());
}

TEST_F(BatchStoreSessionsTest, CancelEndsTheWork) {
  BatchPutSession put(Context());
  put.Cancel();
  EXPECT_EQ(Drive(put, {FrameItem(0, "k", frame_)}).status.code(), StatusCode::kCancelled);
  EXPECT_EQ(store_->Status().usage.blocks, 0u);
  BatchGetSession get(Context());
  get.Cancel();
  v1::BatchGetRequest request;
  request.add_keys("k");
  EXPECT_EQ(Drive(get, std::vector<v1::BatchGetRequest>{request}).status.code(), StatusCode::kCancelled);
}

}  // namespace
}  // namespace dcac::server
