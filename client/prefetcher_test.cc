// The prefetcher on a scripted server: order, bounds, its end.
#include "dcac/client_prefetcher.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "client/internal/cancel_state.h"
#include "client/mock_connection.h"
#include "dcac/codec.h"
#include "proto/wire/convert.h"

namespace dcac::client {
namespace {

using ::testing::_;
using GetStream = ScriptedStream<v1::GetRequest, v1::GetResponse>;

const std::uint64_t kTensorBytes = kSpec.shape[0];

// A server with a tensor under each key; the tensors of some keys come when they are let go.
class PrefetcherTest : public ::testing::Test {
 protected:
  PrefetcherTest() : connection_(new ::testing::NiceMock<MockConnection>) {
    ON_CALL(*connection_, Stat(_, _)).WillByDefault([this](const auto&, const v1::StatRequest& request) {
      v1::StatResponse response;
      *response.mutable_object() = ObjectOf(request.key());
      return response;
    });
    ON_CALL(*connection_, Get(_, _)).WillByDefault([this](const auto& call, const v1::GetRequest& request) {
      return Get(call, request.key());
    });
  }

  std::optional<Prefetcher> Start(const std::vector<std::string>& keys, const PrefetchOptions& options,
                                  const CallOptions& call = {}) {
    const Store store(Client(std::unique_ptr<internal::Connection>(connection_),
                             {.codec = Codec::kServer, .retry = {.max_attempts = 1}}));
    absl::StatusOr<Prefetcher> prefetcher = Prefetcher::Start(store, keys, options, call);
    EXPECT_TRUE(prefetcher.ok()) << prefetcher.status();
    if (!prefetcher.ok()) return std::nullopt;
    return *std::move(prefetcher);
  }

  v1::StoredObject ObjectOf(const std::string& key) const {
    v1::StoredObject object;
    object.set_key(key);
    object.set_kind(v1::OBJECT_KIND_TENSOR);
    wire::ToProto(kSpec, object.mutable_spec());
    object.set_raw_bytes(kTensorBytes);
    object.set_digest(wire::ToProto(ComputeDigest(data_)));
    object.set_version("v");
    return object;
  }

  std::unique_ptr<internal::GetCall> Get(const internal::CallContext& call, const std::string& key) {
    const internal::OnCancel on_cancel(call.cancel, [this] {
      const std::lock_guard lock(mutex_);
      changed_.notify_all();
    });
    std::unique_lock lock(mutex_);
    begun_.push_back(key);
    changed_.notify_all();
    changed_.wait(lock, [&] { return call.cancel.cancelled() || std::ranges::count(held_, key) == 0; });
    scripts_.push_back({.responses = ResponsesFor(key)});
    if (call.cancel.cancelled()) scripts_.back() = {.status = absl::CancelledError("gone")};
    return std::make_unique<GetStream>(scripts_.back());
  }

  std::deque<v1::GetResponse> ResponsesFor(const std::string& key) const {
    std::deque<v1::GetResponse> responses(3);
    *responses[0].mutable_start()->mutable_object() = ObjectOf(key);
    responses[0].mutable_start()->set_returned_bytes(kTensorBytes);
    responses[1].mutable_chunk()->set_data(std::string(kTensorBytes, '\0'));
    responses[2].mutable_trailer()->set_digest(ObjectOf(key).digest());
    responses[2].mutable_trailer()->set_returned_bytes(kTensorBytes);
    return responses;
  }

  void WaitUntilBegun(std::size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return begun_.size() >= count; });
  }

  std::size_t num_begun() {
    const std::lock_guard lock(mutex_);
    return begun_.size();
  }

  void LetGo(const std::string& key) {
    const std::lock_guard lock(mutex_);
    std::erase(held_, key);
    changed_.notify_all();
  }

  ::testing::NiceMock<MockConnection>* const connection_;  // the client's
  const std::vector<std::byte> data_ = std::vector<std::byte>(kTensorBytes);
  std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  std::vector<std::string> held_, begun_;
  std::deque<Script<v1::GetRequest, v1::GetResponse>> scripts_;
};

TEST_F(PrefetcherTest, HandsOutInOrderWhateverComesFirst) {
  held_ = {"a"};
  auto prefetcher = Start({"a", "b", "c"}, {.max_in_flight = 3});
  WaitUntilBegun(3);
  LetGo("a");
  for (const char* key : {"a", "b", "c"}) EXPECT_EQ((*prefetcher->Next())->object.key, key);
  EXPECT_FALSE(prefetcher->Next().has_value());
}

TEST_F(PrefetcherTest, FetchesNoMoreThanFits) {
  auto prefetcher = Start({"a", "b", "c", "d", "e"}, {.max_in_flight = 5, .max_bytes = 2 * kTensorBytes});
  WaitUntilBegun(2);
  EXPECT_TRUE(prefetcher->Next()->ok());
  WaitUntilBegun(3);
  EXPECT_EQ(num_begun(), 3u) << "two wait to be taken or are fetched";
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(prefetcher->Next()->ok());
}

TEST_F(PrefetcherTest, WhatIsLargerThanAllIsFetchedAlone) {
  auto prefetcher = Start({"a", "b"}, {.max_in_flight = 2, .max_bytes = 1});
  WaitUntilBegun(1);
  EXPECT_EQ(num_begun(), 1u);
  EXPECT_TRUE(prefetcher->Next()->ok());
  EXPECT_TRUE(prefetcher->Next()->ok());
}

TEST_F(PrefetcherTest, EndsWhileItFetches) {
  held_ = {"a", "b"};
  auto prefetcher = Start({"a", "b", "c"}, {.max_in_flight = 2});
  WaitUntilBegun(2);
  prefetcher.reset();
  EXPECT_EQ(num_begun(), 2u);
}

TEST_F(PrefetcherTest, EndsWithTheTokenOfTheCaller) {
  held_ = {"a"};
  const CallOptions call;
  auto prefetcher = Start({"a", "b"}, {.max_in_flight = 1}, call);
  WaitUntilBegun(1);
  call.cancel.Cancel();
  EXPECT_EQ(prefetcher->Next()->status().code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(prefetcher->Next()->status().code(), absl::StatusCode::kCancelled);
}

TEST_F(PrefetcherTest, RefusesOptionsOutOfRange) {
  const Store store(Client(std::unique_ptr<internal::Connection>(connection_), {}));
  for (const int threads : {0, PrefetchOptions::kMaxInFlight + 1}) {
    EXPECT_EQ(Prefetcher::Start(store, {}, {.max_in_flight = threads}).status().code(),
              absl::StatusCode::kInvalidArgument);
  }
}

}  // namespace
}  // namespace dcac::client
