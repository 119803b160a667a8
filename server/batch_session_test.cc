#include "server/batch_session.h"

#include <gtest/gtest.h>

#include "dcac/codec.h"
#include "server/session_driver.h"

namespace dcac::server {
namespace {

v1::BatchCompressRequest Item(std::uint64_t id, const TensorSpec& spec, std::span<const std::byte> data) {
  v1::BatchCompressRequest item;
  item.set_item_id(id);
  wire::ToProto(spec, item.mutable_spec());
  item.set_data(data.data(), data.size());
  return item;
}

// All items at once, as the reactor gives them.
absl::Status RunBatch(BatchSession& session, std::vector<v1::BatchCompressRequest> items,
                      std::vector<v1::BatchCompressResponse>* replies) {
  EXPECT_LE(items.size(), session.max_requests_at_once());
  for (v1::BatchCompressRequest& item : items) {
    if (absl::Status status = session.Accept(std::move(item)); !status.ok()) return status;
  }
  return WorkOff(session, replies);
}

TEST(BatchSessionTest, RepliesAreInTheOrderOfTheItems) {
  const Bytes data = SmoothBytes(1800);
  std::vector<v1::BatchCompressRequest> items;
  for (std::uint64_t id = 10; id < 20; ++id) items.push_back(Item(id, kSpec, data));
  BatchSession session(Limits{});
  std::vector<v1::BatchCompressResponse> replies;
  ASSERT_TRUE(RunBatch(session, items, &replies).ok());
  const Bytes frame = *Compress(kSpec, data);
  ASSERT_EQ(replies.size(), 10u);
  for (std::size_t i = 0; i < replies.size(); ++i) {
    EXPECT_EQ(replies[i].item_id(), 10 + i);
    EXPECT_EQ(replies[i].code(), 0);
    EXPECT_TRUE(std::ranges::equal(wire::AsBytes(replies[i].frame()), frame));
    EXPECT_EQ(replies[i].digest(), wire::ToProto(ComputeDigest(data)));
  }
  EXPECT_FALSE(session.done());
  ASSERT_TRUE(session.AcceptEnd().ok());
  EXPECT_TRUE(session.done());
  EXPECT_EQ(session.facts().raw_bytes, 18000u);
  EXPECT_EQ(session.facts().stored_bytes, 10 * frame.size());
}

TEST(BatchSessionTest, BadItemsDoNotSpoilTheOthers) {
  const Bytes data = SmoothBytes(1800);
  v1::BatchCompressRequest no_spec;
  no_spec.set_item_id(2);
  const TensorSpec large{DType::kU8, {wire::kMaxBatchItemBytes + 1}, Layout::kFlat};
  BatchSession session(Limits{});
  std::vector<v1::BatchCompressResponse> replies;
  ASSERT_TRUE(RunBatch(session,
                       {Item(1, kSpec, std::span(data).first(1799)), no_spec,
                        Item(3, large, Bytes(wire::kMaxBatchItemBytes + 1)), Item(4, kSpec, data)},
                       &replies)
                  .ok());
  ASSERT_EQ(replies.size(), 4u);
  EXPECT_EQ(replies[0].code(), static_cast<int>(absl::StatusCode::kInvalidArgument)) << "size";
  EXPECT_EQ(replies[1].code(), static_cast<int>(absl::StatusCode::kInvalidArgument)) << "no spec";
  EXPECT_EQ(replies[2].code(), static_cast<int>(absl::StatusCode::kResourceExhausted)) << "too large";
  for (int i = 0; i < 3; ++i) {
    EXPECT_FALSE(replies[i].message().empty());
    EXPECT_TRUE(replies[i].frame().empty());
  }
  EXPECT_EQ(replies[3].code(), 0);
  EXPECT_FALSE(replies[3].frame().empty());
}

TEST(BatchSessionTest, EmptyBatchIsDone) {
  BatchSession session(Limits{});
  ASSERT_TRUE(session.AcceptEnd().ok());
  EXPECT_TRUE(session.done());
}

TEST(BatchSessionTest, CancelEndsTheWork) {
  BatchSession session(Limits{});
  session.Cancel();
  std::vector<v1::BatchCompressResponse> replies;
  EXPECT_EQ(RunBatch(session, {Item(1, kSpec, SmoothBytes(1800))}, &replies).code(), absl::StatusCode::kCancelled);
}

}  // namespace
}  // namespace dcac::server
