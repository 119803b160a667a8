#include "server/store/cached_store.h"

#include <gmock/gmock.h>

#include <atomic>
#include <chrono>
#include <utility>
#include <vector>

#include "core/base/status_macros.h"
#include "server/store/conformance.h"
#include "server/store/local_store.h"
#include "server/store/metered_store.h"
#include "server/store/piece_cache.h"
#include "server/store/record.h"

namespace dcac::store {
namespace {

constexpr std::uint64_t kCacheBytes = std::uint64_t{16} << 20;

absl::StatusOr<std::unique_ptr<BlockStore>> OpenCached(const StoreLimits& limits, TestClock& clock,
                                                       std::uint64_t cache_bytes) {
  DCAC_ASSIGN_OR_RETURN(std::unique_ptr<BlockStore> store, OpenMemoryStore(limits, clock.function()));
  return MakeCachedStore(std::move(store), cache_bytes);
}

Backend CachedBackend(const char* name, std::uint64_t cache_bytes) {
  return {name, [cache_bytes](const StoreLimits& limits, TestClock& clock) {
            return OpenCached(limits, clock, cache_bytes);
          }};
}

// One whose cache holds no more than a few pieces, so that what a reader needs is pushed out while it reads.
INSTANTIATE_TEST_SUITE_P(Cached, StoreConformanceTest,
                         ::testing::Values(CachedBackend("Cached", kCacheBytes), CachedBackend("CachedFew", 1 << 20)),
                         [](const auto& instance) { return instance.param.name; });

// Counts what gets to the store behind the cache.
class ReadCount final : public StoreMeter {
 public:
  void OnStoreCall(StoreVerb verb, absl::StatusCode, std::chrono::nanoseconds) override {
    if (verb == StoreVerb::kRead) ++reads_;
  }
  int reads() const { return reads_; }

 private:
  std::atomic<int> reads_{0};
};

class CachedStoreTest : public ::testing::Test {
 protected:
  CachedStoreTest() {
    store_ = MakeCachedStore(MakeMeteredStore(*OpenMemoryStore({}, clock_.function()), count_), kCacheBytes);
  }

  void Put(const std::string& key, std::string_view bytes) {
    const auto upload = *store_->Begin({.key = key, .expected_bytes = bytes.size(), .state = {}}, control_);
    ASSERT_TRUE(upload->Append(AsBytes(bytes), control_).ok());
    ASSERT_TRUE(upload->Commit({}, control_).ok());
  }

  std::string Get(const std::string& key, std::uint64_t offset, std::size_t size) {
    std::string bytes(size, '\0');
    EXPECT_TRUE((*store_->Open(key, control_))->Read(offset, std::as_writable_bytes(std::span(bytes)), control_).ok());
    return bytes;
  }

  TestClock clock_;
  ReadCount count_;
  std::unique_ptr<BlockStore> store_;
  const CallControl control_;
};

TEST_F(CachedStoreTest, ReadsFromTheStoreWhatItHasNotReadBefore) {
  const std::string bytes = SomeBytes(300'000);
  Put("t/k", bytes);
  EXPECT_EQ(Get("t/k", 70'000, 10), bytes.substr(70'000, 10));
  EXPECT_EQ(count_.reads(), 1);
  // All of the piece is there now, and nothing else.
  EXPECT_EQ(Get("t/k", 65'536, 65'536), bytes.substr(65'536, 65'536));
  EXPECT_EQ(count_.reads(), 1);
  // What lies before it and behind it is read in one go each.
  EXPECT_EQ(Get("t/k", 0, bytes.size()), bytes);
  EXPECT_EQ(count_.reads(), 3);
  EXPECT_EQ(Get("t/k", 1, bytes.size() - 1), bytes.substr(1));
  EXPECT_EQ(count_.reads(), 3);
  const StoreStatus status = store_->Status();
  EXPECT_EQ(status.cache_hits, 1u + 1 + 5);
  EXPECT_EQ(status.cache_misses, 1u + 4);
  EXPECT_GE(status.cache_bytes, bytes.size());
  EXPECT_EQ(status.cache_capacity_bytes, kCacheBytes);
}

TEST_F(CachedStoreTest, GivesNothingOldWhenABlockIsPutAnew) {
  Put("t/k", SomeBytes(100'000, 1));
  EXPECT_EQ(Get("t/k", 0, 100'000), SomeBytes(100'000, 1));
  const auto old = *store_->Open("t/k", control_);
  Put("t/k", SomeBytes(100'000, 2));
  EXPECT_EQ(Get("t/k", 0, 100'000), SomeBytes(100'000, 2));
  std::string bytes(100'000, '\0');
  ASSERT_TRUE(old->Read(0, std::as_writable_bytes(std::span(bytes)), control_).ok());
  EXPECT_EQ(bytes, SomeBytes(100'000, 1));
}

TEST_F(CachedStoreTest, LargeBlocksGoByIt) {
  const std::string bytes = SomeBytes(kCacheBytes / 8 + 1);
  Put("t/k", bytes);
  EXPECT_EQ(Get("t/k", 0, bytes.size()), bytes);
  EXPECT_EQ(Get("t/k", 0, bytes.size()), bytes);
  EXPECT_EQ(count_.reads(), 2);
  EXPECT_EQ(store_->Status().cache_bytes, 0u);
}

std::shared_ptr<const Bytes> Piece(std::size_t size) {
  return std::make_shared<Bytes>(size);
}

TEST(PieceCacheTest, KeepsWhatWasUsedLastWithinItsBound) {
  PieceCache cache(3 * (PieceCache::kPieceBytes + 1000));
  for (std::uint64_t i = 0; i < 3; ++i) cache.Insert("v", i, Piece(PieceCache::kPieceBytes));
  ASSERT_NE(cache.Find("v", 0), nullptr);
  cache.Insert("v", 3, Piece(PieceCache::kPieceBytes));
  EXPECT_NE(cache.Find("v", 0), nullptr);
  EXPECT_EQ(cache.Find("v", 1), nullptr);
  EXPECT_NE(cache.Find("v", 2), nullptr);
  EXPECT_NE(cache.Find("v", 3), nullptr);
  EXPECT_EQ(cache.Find("w", 3), nullptr);
  EXPECT_LE(cache.bytes(), cache.capacity_bytes());
}

TEST(PieceCacheTest, CountsWhatKeepingTinyPiecesTakes) {
  PieceCache cache(1 << 20);
  for (std::uint64_t i = 0; i < 100'000; ++i) cache.Insert("version", i, Piece(1));
  EXPECT_LE(cache.bytes(), cache.capacity_bytes());
  std::uint64_t kept = 0;
  for (std::uint64_t i = 0; i < 100'000; ++i) kept += cache.Find("version", i) != nullptr ? 1 : 0;
  EXPECT_GT(kept, 1000u);
  EXPECT_LT(kept, 5000u);
}

}  // namespace
}  // namespace dcac::store
