// What calls reserve of the server's memory when the store is in a bucket, and holds bytes of blocks for them.
#include <gtest/gtest.h>

#include "server/batch_store_sessions.h"
#include "server/store/cached_store.h"
#include "server/store/discreet_store.h"
#include "server/store/fake_s3.h"
#include "server/store/metered_store.h"
#include "server/store/s3_store.h"
#include "server/store_session_driver.h"

namespace dcac::server {
namespace {

// What the store reads of a block when it opens it.
constexpr std::uint64_t kBlockBytes = std::uint64_t{8} << 20;

class NoMeter final : public store::StoreMeter {
 public:
  void OnStoreCall(store::StoreVerb, absl::StatusCode, std::chrono::steady_clock::duration) override {}
};

class BucketMemoryTest : public StoreSessionTest {
 protected:
  // As a server wraps it.
  void OpenBucket() {
    store_ = store::OpenS3Store({.client = s3_.client_options()}).value();
    store_ = store::MakeCachedStore(store::MakeMeteredStore(std::move(store_), meter_), std::uint64_t{1} << 20);
    store_ = store::MakeDiscreetStore(std::move(store_), {});
  }

  // It uses both members below.
  void TearDown() override { store_ = nullptr; }

  std::uint64_t BytesOfBatchGet() {
    v1::BatchGetRequest request;
    request.add_keys("k");
    BatchGetSession session(Context());
    EXPECT_TRUE(session.Accept(std::move(request)).ok());
    return session.memory_bytes();
  }

  std::uint64_t BytesOfPut(std::uint64_t stored_bytes) {
    PutSession session(Context());
    EXPECT_TRUE(session.Accept(FrameHeader("k", stored_bytes)).ok());
    return session.memory_bytes();
  }

  store::FakeS3 s3_;
  NoMeter meter_;
};

TEST_F(BucketMemoryTest, BatchGetReservesABlock) {
  const std::uint64_t local_bytes = BytesOfBatchGet();
  OpenBucket();
  EXPECT_GE(BytesOfBatchGet(), local_bytes + kBlockBytes);
}

TEST_F(BucketMemoryTest, PutReservesWhatTheUploadHolds) {
  constexpr std::uint64_t kLarge = std::uint64_t{100} << 20, kSmall = 1000;
  const std::uint64_t large_bytes = BytesOfPut(kLarge), small_bytes = BytesOfPut(kSmall);
  OpenBucket();
  EXPECT_GE(BytesOfPut(kLarge), large_bytes + kBlockBytes);
  EXPECT_GE(BytesOfPut(kSmall), small_bytes + kSmall);
  EXPECT_LT(BytesOfPut(kSmall), small_bytes + kBlockBytes);
}

}  // namespace
}  // namespace dcac::server
