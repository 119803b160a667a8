// What an S3 store makes of answers that fail, come late, or make no sense, against a server in memory.
#include <gmock/gmock.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "server/store/conformance.h"
#include "server/store/fake_s3.h"
#include "server/store/record.h"
#include "server/store/s3_store.h"

namespace dcac::store {
namespace {

using std::chrono::milliseconds;
using ::testing::ElementsAre;

class S3FaultsTest : public ::testing::Test {
 protected:
  S3FaultsTest() {
    options_.client = server_.client_options();
    options_.prefix = "p";
    options_.sweep_interval = milliseconds(0);
    options_.removal_delay = milliseconds(100);
    options_.clock = clock_.function();
  }

  std::unique_ptr<BlockStore> Open() {
    auto store = OpenS3Store(options_);
    if (!store.ok()) ADD_FAILURE() << store.status();
    return store.ok() ? *std::move(store) : nullptr;
  }

  static absl::Status Put(BlockStore& store, const std::string& key, const std::string& bytes,
                          const PutOptions& options = {}, const CallControl& control = {}) {
    const SmallBlock block{key, AsBytes(bytes), options};
    return store.PutMany({&block, 1}, control).front().status();
  }

  static absl::StatusOr<BlockInfo> Stat(BlockStore& store, const std::string& key) {
    return store.Stat({&key, 1}, {}).front();
  }

  // The id of an upload of `bytes` that broke off.
  static std::string BreakOff(BlockStore& store, const std::string& key, const std::string& bytes) {
    const auto upload = store.Begin({.key = key, .expected_bytes = bytes.size(), .state = "state"}, {});
    if (!upload.ok()) {
      ADD_FAILURE() << upload.status();
      return "";
    }
    EXPECT_TRUE((*upload)->Append(AsBytes(bytes), {}).ok());
    return (*upload)->id();
  }

  TestClock clock_;
  FakeS3 server_;
  S3StoreOptions options_;
};

TEST_F(S3FaultsTest, AnUploadWhoseResumeFailedStaysAsItWas) {
  const auto store = Open();
  const std::string bytes = SomeBytes(12'000'000);
  const std::string id = BreakOff(*store, "t/k", bytes);
  const auto parts = server_.Names("p/d/");
  ASSERT_EQ(parts.size(), 3u);
  for (const std::string& failing : parts) {
    server_.SetHook([failing](const FakeS3::Request& request) -> std::optional<FakeS3::Answer> {
      if (request.name == failing) return FakeS3::Answer{400, "", ""};
      return std::nullopt;
    });
    EXPECT_EQ(store->Resume(id, {}).status().code(), absl::StatusCode::kInternal);
    EXPECT_EQ(server_.Names("p/d/"), parts);
  }
  server_.SetHook(nullptr);
  const auto upload = store->Resume(id, {});
  ASSERT_TRUE(upload.ok()) << upload.status();
  EXPECT_EQ((*upload)->size_bytes(), bytes.size());
}

TEST_F(S3FaultsTest, AnUploadWhosePartsAreDamagedIsGone) {
  const auto store = Open();
  const std::string id = BreakOff(*store, "t/k", SomeBytes(12'000'000));
  const std::string damaged = server_.Names("p/d/")[1];
  server_.SetHook([damaged](const FakeS3::Request& request) -> std::optional<FakeS3::Answer> {
    if (request.name != damaged) return std::nullopt;
    return FakeS3::Answer{206, "x", "Content-Range: bytes 0-0/1\r\n"};
  });
  EXPECT_EQ(store->Resume(id, {}).status().code(), absl::StatusCode::kNotFound);
}

TEST_F(S3FaultsTest, RemovesWhileItSweeps) {
  options_.removal_delay = milliseconds(0);
  const auto store = Open();
  ASSERT_TRUE(Put(*store, "t/0", "x", {.ttl = milliseconds(1000)}).ok());
  std::vector<SmallBlock> blocks;
  for (int i = 1000; i < 2001; ++i) blocks.push_back({"t/" + std::to_string(i), {}, {}});
  for (const auto& info : store->PutMany(blocks, {})) ASSERT_TRUE(info.ok()) << info.status();
  clock_.Advance(milliseconds(1000));
  ASSERT_TRUE(store->Maintain({}).ok());
  EXPECT_EQ(server_.Names("p/k/").size(), blocks.size());
  EXPECT_EQ(store->Status().expired_blocks, 1u);
}

TEST_F(S3FaultsTest, RemovalsThatFailDoNotHoldUpOthers) {
  const auto store = Open();
  for (const char* key : {"t/a", "t/b", "t/c"}) ASSERT_TRUE(Put(*store, key, "x", {.ttl = milliseconds(1000)}).ok());
  clock_.Advance(milliseconds(1000));
  ASSERT_TRUE(store->Maintain({}).ok());
  server_.SetHook([](const FakeS3::Request& request) -> std::optional<FakeS3::Answer> {
    if (request.method == "DELETE" && request.name == "p/k/t.ba") return FakeS3::Answer{400, "", ""};
    return std::nullopt;
  });
  std::this_thread::sleep_for(options_.removal_delay);
  EXPECT_EQ(store->Maintain({}).code(), absl::StatusCode::kInternal);
  EXPECT_THAT(server_.Names("p/k/"), ElementsAre("p/k/t.ba"));
  server_.SetHook(nullptr);
  EXPECT_TRUE(store->Maintain({}).ok());
  EXPECT_THAT(server_.Names("p/k/"), ElementsAre());
}

TEST_F(S3FaultsTest, AServerThatStopsLeavesNoNotes) {
  auto store = Open();
  ASSERT_TRUE(Put(*store, "t/k", "x", {.ttl = milliseconds(1000)}).ok());
  clock_.Advance(milliseconds(1000));
  ASSERT_TRUE(store->Maintain({}).ok());
  EXPECT_EQ(server_.Names("p/x/").size(), 1u);
  store.reset();
  EXPECT_THAT(server_.Names("p/x/"), ElementsAre());
}

// The note of a server that was killed, and one that is taken for it as its window is long over.
class S3LeftNoteTest : public S3FaultsTest {
 protected:
  S3LeftNoteTest() {
    options_.removal_delay = milliseconds(300);
    options_.removal_window = milliseconds(60'000);
    slow_ = Open();
    options_.removal_window = milliseconds(400);
    other_ = Open();
    EXPECT_TRUE(Put(*slow_, "t/k", "old", {.ttl = milliseconds(1000)}).ok());
    clock_.Advance(milliseconds(1000));
    EXPECT_TRUE(slow_->Maintain({}).ok());
    EXPECT_EQ(server_.Names("p/x/").size(), 1u);
  }

  std::unique_ptr<BlockStore> slow_, other_;
};

TEST_F(S3LeftNoteTest, HoldsUpPutsUntilItWasSeenLongEnough) {
  const auto begun = std::chrono::steady_clock::now();
  ASSERT_TRUE(Put(*other_, "t/k", "new").ok());
  EXPECT_GT(std::chrono::steady_clock::now() - begun, milliseconds(900));
  ASSERT_TRUE(other_->Maintain({}).ok());
  EXPECT_THAT(server_.Names("p/x/"), ElementsAre());
  ASSERT_TRUE(Put(*other_, "t/k", "new").ok());
}

TEST_F(S3LeftNoteTest, PutsEndAtTheirDeadlines) {
  std::atomic<int> listings{0};
  server_.SetHook([&](const FakeS3::Request& request) -> std::optional<FakeS3::Answer> {
    if (request.method != "LIST" || request.name != "p/x/") return std::nullopt;
    ++listings;
    std::this_thread::sleep_for(milliseconds(200));
    return std::nullopt;
  });
  const auto begun = std::chrono::steady_clock::now();
  const CallControl control{.deadline = begun + milliseconds(300)};
  std::vector<absl::Status> results(8);
  {
    std::vector<std::jthread> threads;
    for (absl::Status& result : results) {
      threads.emplace_back([&] { result = Put(*other_, "t/k", "new", {}, control); });
    }
  }
  for (const absl::Status& result : results) EXPECT_EQ(result.code(), absl::StatusCode::kDeadlineExceeded) << result;
  EXPECT_LT(std::chrono::steady_clock::now() - begun, milliseconds(900));
  EXPECT_LE(listings, 4);
}

TEST_F(S3LeftNoteTest, ItsOwnerRemovesNothingOnceItWasDropped) {
  server_.SetHook([&](const FakeS3::Request& request) -> std::optional<FakeS3::Answer> {
    if (request.method == "PUT" && request.name.starts_with("p/x/")) return FakeS3::Answer{400, "", ""};
    return std::nullopt;
  });
  for (int i = 0; i < 600 && !server_.Names("p/x/").empty(); ++i) {
    ASSERT_TRUE(Put(*other_, "t/other", "x").ok());                       // looks for notes
    EXPECT_EQ(other_->Maintain({}).code(), absl::StatusCode::kInternal);  // without a note of its own
    std::this_thread::sleep_for(milliseconds(10));
  }
  server_.SetHook(nullptr);
  ASSERT_TRUE(slow_->Maintain({}).ok());
  EXPECT_THAT(server_.Names("p/k/"), ElementsAre("p/k/t.bk", "p/k/t.bother"));
}

}  // namespace
}  // namespace dcac::store
