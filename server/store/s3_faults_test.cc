// What an S3 store makes of answers that fail, come late, or make no sense, against a server in memory.
#include <gmock/gmock.h>

#include <atomic>
#include <chrono>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "server/store/conformance.h"
#include "server/store/discreet_store.h"
#include "server/store/fake_s3.h"
#include "server/store/operator_text.h"
#include "server/store/record.h"
#include "server/store/s3_blocks.h"
#include "server/store/s3_store.h"

namespace dcac::store {
namespace {

using std::chrono::milliseconds;
using ::testing::Each;
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
    EXPECT_EQ(store->Resume(id, "t", {}).status().code(), absl::StatusCode::kInternal);
    EXPECT_EQ(server_.Names("p/d/"), parts);
  }
  server_.SetHook(nullptr);
  const auto upload = store->Resume(id, "t", {});
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
  EXPECT_EQ(store->Resume(id, "t", {}).status().code(), absl::StatusCode::kNotFound);
}

TEST_F(S3FaultsTest, WhatTheServerSaysIsToldToTheOperatorAlone) {
  std::vector<std::string> hidden;
  const auto store =
      MakeDiscreetStore(Open(), {.folder = {}, .on_hidden = [&](const std::string& key, const absl::Status& error) {
                                   hidden.push_back(key + ": " + MessageForOperators(error));
                                 }});
  server_.SetHook([](const FakeS3::Request& request) -> std::optional<FakeS3::Answer> {
    if (request.method == "LIST") return std::nullopt;
    return FakeS3::Answer{403, "<Error><Code>AccessDenied</Code><Message>no way to b/q/theirs</Message></Error>", ""};
  });
  const std::string message = "the S3 store refuses access to bucket: status 403 AccessDenied";
  for (const absl::Status& status : {Put(*store, "t/k", "x"), Stat(*store, "t/k").status()}) {
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_EQ(status.message(), message);
    EXPECT_EQ(OperatorText(status), "");
  }
  EXPECT_THAT(hidden, Each("t/k: " + message + ": no way to b/q/theirs"));
  EXPECT_EQ(hidden.size(), 2u);
}

TEST_F(S3FaultsTest, OpensNotWithoutKnowingWhatTheServerHeeds) {
  std::atomic<int> puts{0};
  server_.SetHook([&](const FakeS3::Request& request) -> std::optional<FakeS3::Answer> {
    if (request.method == "PUT" && ++puts == 2) return FakeS3::Answer{403, "", ""};
    return std::nullopt;
  });
  EXPECT_EQ(OpenS3Store(options_).status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(S3FaultsTest, ReadersTellWhatTheyHold) {
  const auto store = Open();
  const std::string bytes = SomeBytes(1'000'000);
  ASSERT_TRUE(Put(*store, "t/k", bytes).ok());
  EXPECT_EQ((*store->Open("t/k", {}))->memory_bytes(), bytes.size());
}

TEST_F(S3FaultsTest, PagesHoldNoBytesOfBlocks) {
  ASSERT_TRUE(Put(*Open(), "t/k", SomeBytes(1'000'000)).ok());
  options_.prefix = "p/";
  S3Blocks blocks(options_);
  const auto page = blocks.LoadPage("", "", 10, {});
  ASSERT_TRUE(page.ok() && page->blocks.size() == 1) << page.status();
  EXPECT_EQ(page->blocks[0].head.record.info.key, "t/k");
  EXPECT_EQ(page->blocks[0].memory, nullptr);
  EXPECT_TRUE(page->blocks[0].head.checksums.empty());
}

TEST_F(S3FaultsTest, ListsPastWhatHasExpired) {
  const auto store = Open();
  std::vector<SmallBlock> blocks;
  for (int i = 1000; i < 1300; ++i) blocks.push_back({"t/" + std::to_string(i), {}, {.ttl = milliseconds(1000)}});
  for (const auto& info : store->PutMany(blocks, {})) ASSERT_TRUE(info.ok()) << info.status();
  ASSERT_TRUE(Put(*store, "t/2000", "x").ok());
  clock_.Advance(milliseconds(1000));
  std::atomic<int> listings{0};
  server_.SetHook([&](const FakeS3::Request& request) -> std::optional<FakeS3::Answer> {
    if (request.method == "LIST") ++listings;
    return std::nullopt;
  });
  const auto list = store->List({.prefix = {}, .start_after = {}, .limit = 1}, {});
  ASSERT_TRUE(list.ok() && list->blocks.size() == 1) << list.status();
  EXPECT_LE(listings, 4);
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

TEST_F(S3FaultsTest, NothingIsLeftOfExpiredVersionsThatWerePutAnew) {
  const auto store = Open();
  const PutOptions options{.ttl = milliseconds(1000), .condition = {.if_absent = true, .if_digest = {}}};
  for (int i = 0; i < 4; ++i) {
    ASSERT_TRUE(Put(*store, "t/k", "old", options).ok());
    ASSERT_TRUE(store->Update("t/k", {.pinned = true}, {}).ok());
    if (i < 3) clock_.Advance(milliseconds(1000));
  }
  EXPECT_EQ(server_.Names("p/n/").size(), 3u);
  EXPECT_EQ(server_.Names("p/t/").size(), 4u);
  ASSERT_TRUE(Put(*store, "t/k", "new").ok());
  EXPECT_THAT(server_.Names("p/n/"), ElementsAre());
  EXPECT_THAT(server_.Names("p/t/"), ElementsAre());
}

// Who puts if_absent after the first of two requests that delete would lose its block to the second.
TEST_F(S3FaultsTest, DeletesAVersionThatFollowedOnce) {
  const auto store = Open();
  const PutOptions options{.ttl = milliseconds(1000), .condition = {.if_absent = true, .if_digest = {}}};
  ASSERT_TRUE(Put(*store, "t/k", "old", options).ok());
  clock_.Advance(milliseconds(1000));
  ASSERT_TRUE(Put(*store, "t/k", "old", options).ok());
  std::atomic<int> deletions{0};
  server_.SetHook([&](const FakeS3::Request& request) -> std::optional<FakeS3::Answer> {
    if (request.method == "DELETE" && request.name.starts_with("p/n/")) ++deletions;
    return std::nullopt;
  });
  const std::string key = "t/k";
  ASSERT_TRUE(store->Delete({&key, 1}, {}).front().ok());
  EXPECT_EQ(deletions, 1);
  EXPECT_TRUE(Put(*store, "t/k", "new", options).ok());
}

TEST_F(S3FaultsTest, WhoMayHaveWonIsNotToldToHaveLost) {
  options_.client.retry_for = milliseconds(20);
  const auto store = Open();
  // Seen by who puts: first no block, then, of a PUT that was sent twice, that there is one, which cannot be read.
  std::atomic<bool> put{false};
  server_.SetHook([&](const FakeS3::Request& request) -> std::optional<FakeS3::Answer> {
    if (!request.name.starts_with("p/k/")) return std::nullopt;
    if (request.method == "PUT") {
      put = true;
      return FakeS3::Answer{412, "", ""};
    }
    if (put) return FakeS3::Answer{503, "", ""};
    return std::nullopt;
  });
  EXPECT_EQ(Put(*store, "t/k", "x", {.condition = {.if_absent = true, .if_digest = {}}}).code(),
            absl::StatusCode::kUnavailable);
}

TEST_F(S3FaultsTest, PartsOfWhatMayHaveBeenPublishedStay) {
  options_.removal_delay = milliseconds(0);  // notes are read after the PUT of the head too
  const auto store = Open();
  const std::string bytes = SomeBytes(9'000'000);
  {
    auto upload = *store->Begin({.key = "t/k", .expected_bytes = 0, .state = {}}, {});
    ASSERT_TRUE(upload->Append(AsBytes(bytes), {}).ok());
    server_.SetHook([&](const FakeS3::Request& request) -> std::optional<FakeS3::Answer> {
      if (request.name != "p/x/" || server_.Names("p/k/").empty()) return std::nullopt;
      return FakeS3::Answer{400, "", ""};
    });
    EXPECT_EQ(upload->Commit({}, {}).status().code(), absl::StatusCode::kInternal);
  }
  server_.SetHook(nullptr);
  const auto reader = store->Open("t/k", {});
  ASSERT_TRUE(reader.ok()) << reader.status();
  std::string read(bytes.size(), ' ');
  EXPECT_TRUE((*reader)->Read(0, std::as_writable_bytes(std::span(read)), {}).ok());
  EXPECT_EQ(read, bytes);
}

TEST_F(S3FaultsTest, UploadsThatBrokeOffCountUntilTheyEnd) {
  options_.limits.owner_quota_bytes = 20'000'000;
  options_.limits.capacity_bytes = 100'000'000;
  const auto store = Open();
  const std::string bytes = SomeBytes(12'000'000);
  const std::string id = BreakOff(*store, "t/k", bytes);
  const UploadStart next{.key = "t/l", .expected_bytes = bytes.size(), .state = "state"};
  EXPECT_EQ(store->Status().reserved_bytes, bytes.size());
  EXPECT_EQ(store->Begin(next, {}).status().code(), absl::StatusCode::kResourceExhausted);
  const auto other = Open();
  for (BlockStore* each : {store.get(), other.get()}) {
    ASSERT_TRUE(each->Maintain({}).ok());
    // The bytes of the parts, with the headers of these.
    EXPECT_GE(each->Status().reserved_bytes, bytes.size());
    EXPECT_LT(each->Status().reserved_bytes, bytes.size() + 10'000);
    EXPECT_EQ(each->Begin(next, {}).status().code(), absl::StatusCode::kResourceExhausted);
    EXPECT_TRUE(each->Begin({.key = "u/k", .expected_bytes = bytes.size(), .state = "state"}, {}).ok());
  }
  server_.SetHook([](const FakeS3::Request& request) -> std::optional<FakeS3::Answer> {
    if (request.name.starts_with("p/d/")) return FakeS3::Answer{400, "", ""};
    return std::nullopt;
  });
  EXPECT_EQ(other->Resume(id, "t", {}).status().code(), absl::StatusCode::kInternal);
  server_.SetHook(nullptr);
  EXPECT_GE(other->Status().reserved_bytes, bytes.size());
  {
    auto upload = other->Resume(id, "t", {});
    ASSERT_TRUE(upload.ok()) << upload.status();
    ASSERT_TRUE(other->Maintain({}).ok());
    EXPECT_LT(other->Status().reserved_bytes, bytes.size() + 10'000);
    ASSERT_TRUE((*upload)->Commit({}, {}).ok());
  }
  for (BlockStore* each : {store.get(), other.get()}) {
    ASSERT_TRUE(each->Maintain({}).ok());
    EXPECT_EQ(each->Status().reserved_bytes, 0u);
    EXPECT_EQ(each->Status().usage.stored_bytes, bytes.size());
  }
}

TEST_F(S3FaultsTest, AnUploadWhoseEndWasNotNotedCountsOnceAndGoes) {
  const auto store = Open();
  const std::string bytes = SomeBytes(12'000'000);
  {
    auto upload = store->Begin({.key = "t/k", .expected_bytes = 0, .state = "state"}, {});
    ASSERT_TRUE(upload.ok() && (*upload)->Append(AsBytes(bytes), {}).ok());
    server_.SetHook([](const FakeS3::Request& request) -> std::optional<FakeS3::Answer> {
      if (request.method == "DELETE") return FakeS3::Answer{400, "", ""};
      return std::nullopt;
    });
    ASSERT_TRUE((*upload)->Commit({}, {}).ok());
    server_.SetHook(nullptr);
  }
  ASSERT_EQ(server_.Names("p/u/").size(), 1u);
  ASSERT_TRUE(store->Maintain({}).ok());
  EXPECT_EQ(store->Status().reserved_bytes, 0u);
  clock_.Advance(std::chrono::hours(26));
  ASSERT_TRUE(store->Maintain({}).ok());
  EXPECT_THAT(server_.Names("p/u/"), ElementsAre());
  EXPECT_EQ(server_.Names("p/d/").size(), 3u);
}

TEST_F(S3FaultsTest, EvictsBlocksForWhatIsReserved) {
  options_.limits.capacity_bytes = 20'000'000;
  const auto store = Open();
  ASSERT_TRUE(Put(*store, "t/old", SomeBytes(4'000'000)).ok());
  const std::string id = BreakOff(*store, "t/k", SomeBytes(12'000'000));
  ASSERT_FALSE(id.empty());
  EXPECT_EQ(Put(*store, "t/new", std::string(4'100'000, 'x')).code(), absl::StatusCode::kResourceExhausted);
  for (int i = 0; i < 600 && store->Status().evicted_blocks == 0; ++i) {
    ASSERT_TRUE(store->Maintain({}).ok());
    std::this_thread::sleep_for(milliseconds(10));
  }
  EXPECT_TRUE(Put(*store, "t/new", std::string(4'100'000, 'x')).ok());
}

class S3ChangesTest : public S3FaultsTest {
 protected:
  S3ChangesTest() {
    options_.limits.capacity_bytes = 100'000'000;  // so that touches are kept
    store_ = Open();
    EXPECT_TRUE(Put(*store_, "t/k", "x").ok());
    clock_.Advance(milliseconds(1000));
  }

  std::unique_ptr<BlockStore> store_;
};

TEST_F(S3ChangesTest, OfOneServerAreNotLost) {
  server_.SetHook([](const FakeS3::Request& request) -> std::optional<FakeS3::Answer> {
    if (request.method == "PUT") std::this_thread::sleep_for(milliseconds(5));
    return std::nullopt;
  });
  for (int i = 0; i < 20; ++i) {
    clock_.Advance(milliseconds(1));
    const bool pinned = i % 2 == 0;
    std::vector<absl::Status> results(3);
    {
      const std::jthread touch([&] { results[0] = store_->Update("t/k", {.touch = true}, {}).status(); });
      const std::jthread pin([&] { results[1] = store_->Update("t/k", {.pinned = pinned}, {}).status(); });
      const std::jthread ttl(
          [&] { results[2] = store_->Update("t/k", {.set_ttl = true, .ttl = milliseconds(1000 + i)}, {}).status(); });
    }
    for (const absl::Status& result : results) EXPECT_TRUE(result.ok()) << result;
    const auto info = Stat(*store_, "t/k");
    ASSERT_TRUE(info.ok()) << info.status();
    EXPECT_EQ(info->pinned, pinned);
    EXPECT_EQ(info->expires, clock_.now() + milliseconds(1000 + i));
  }
}

TEST_F(S3ChangesTest, AreWrittenOnceMoreIfAnotherServerWritesWhatItReadBefore) {
  server_.SetIfMatch(FakeS3::IfMatch::kIgnored);
  store_ = Open();
  const auto other = Open();
  std::promise<void> touch_is_sent, pin_was_put, touched;
  std::atomic<int> puts{0}, gets{0};
  server_.SetHook([&](const FakeS3::Request& request) -> std::optional<FakeS3::Answer> {
    if (!request.name.starts_with("p/t/")) return std::nullopt;
    if (request.method == "PUT" && puts++ == 0) {
      touch_is_sent.set_value();
      pin_was_put.get_future().wait();
    } else if (request.method == "GET" && puts == 2 && gets++ == 0) {
      // Of who pinned, after its PUT.
      pin_was_put.set_value();
      touched.get_future().wait();
    }
    return std::nullopt;
  });
  std::jthread touch([&] {
    EXPECT_TRUE(other->Update("t/k", {.touch = true}, {}).ok());
    touched.set_value();
  });
  touch_is_sent.get_future().wait();
  ASSERT_TRUE(store_->Update("t/k", {.pinned = true}, {}).ok());
  touch.join();
  EXPECT_TRUE(Stat(*store_, "t/k")->pinned);
  EXPECT_TRUE(Stat(*other, "t/k")->pinned);
}

// With what it had read before.
TEST_F(S3ChangesTest, AreNotUndoneByAServerThatWritesLater) {
  for (const auto if_match : {FakeS3::IfMatch::kBare, FakeS3::IfMatch::kQuoted}) {
    server_.SetIfMatch(if_match);
    const auto pinning = Open(), touching = Open();
    for (const bool pinned : {true, false, true}) {
      clock_.Advance(milliseconds(1000));
      std::promise<void> touch_is_sent, changed;
      std::atomic<int> puts{0};
      server_.SetHook([&](const FakeS3::Request& request) -> std::optional<FakeS3::Answer> {
        if (request.method == "PUT" && request.name.starts_with("p/t/") && puts++ == 0) {
          touch_is_sent.set_value();
          changed.get_future().wait();
        }
        return std::nullopt;
      });
      std::jthread touch([&] { EXPECT_TRUE(touching->Update("t/k", {.touch = true}, {}).ok()); });
      touch_is_sent.get_future().wait();
      EXPECT_TRUE(pinning->Update("t/k", {.pinned = pinned}, {}).ok());
      changed.set_value();
      touch.join();
      server_.SetHook(nullptr);
      EXPECT_EQ(Stat(*pinning, "t/k")->pinned, pinned);
    }
  }
}

TEST_F(S3ChangesTest, OfBlocksThatNobodyOpensAreForgotten) {
  S3Client client(options_.client);
  S3Changes changes(client, "p/t/");
  changes.Add("p/t/k/1");
  EXPECT_GT(changes.size(), 0u);
  ASSERT_TRUE(changes.Refresh({}).ok());
  EXPECT_EQ(changes.size(), 0u);
  EXPECT_TRUE(changes.MayExist("p/t/k/1"));
}

TEST_F(S3ChangesTest, WaitForTheirTurnUntilTheirDeadline) {
  std::promise<void> pin_is_sent, waited;
  std::atomic<int> puts{0};
  server_.SetHook([&](const FakeS3::Request& request) -> std::optional<FakeS3::Answer> {
    if (request.method == "PUT" && puts++ == 0) {
      pin_is_sent.set_value();
      waited.get_future().wait();
    }
    return std::nullopt;
  });
  std::jthread pin([&] { EXPECT_TRUE(store_->Update("t/k", {.pinned = true}, {}).ok()); });
  pin_is_sent.get_future().wait();
  const CallControl control{.deadline = std::chrono::steady_clock::now() + milliseconds(100)};
  EXPECT_EQ(store_->Update("t/k", {.touch = true}, control).status().code(), absl::StatusCode::kDeadlineExceeded);
  waited.set_value();
}

// While its bytes are read.
TEST_F(S3ChangesTest, StayWhenScrubFindsDamage) {
  {
    auto upload = *store_->Begin({.key = "t/l", .expected_bytes = 0, .state = {}}, {});
    ASSERT_TRUE(upload->Append(AsBytes(SomeBytes(9'000'000)), {}).ok());
    ASSERT_TRUE(upload->Commit({}, {}).ok());
  }
  server_.Erase(server_.Names("p/d/").at(1));
  std::atomic<bool> pinned{false};
  server_.SetHook([&](const FakeS3::Request& request) -> std::optional<FakeS3::Answer> {
    if (request.method == "GET" && request.name.starts_with("p/d/") && !pinned.exchange(true)) {
      EXPECT_TRUE(store_->Update("t/l", {.pinned = true}, {}).ok());
    }
    return std::nullopt;
  });
  const auto page = store_->Scrub({.prefix = "t/l", .start_after = {}}, {});
  ASSERT_TRUE(page.ok()) << page.status();
  EXPECT_THAT(page->damaged, ElementsAre("t/l"));
  EXPECT_EQ(Stat(*store_, "t/l").status().code(), absl::StatusCode::kDataLoss);
  const auto list = store_->List({.prefix = "t/l", .start_after = {}}, {});
  ASSERT_TRUE(list.ok() && list->blocks.size() == 1) << list.status();
  EXPECT_TRUE(list->blocks[0].pinned);
}

// Three blocks, the second of several parts.
class S3UnreadableTest : public S3FaultsTest {
 protected:
  S3UnreadableTest() {
    options_.client.retry_for = milliseconds(20);
    options_.limits.capacity_bytes = 100'000'000;
    store_ = Open();
    for (const char* key : {"t/a", "t/c"}) EXPECT_TRUE(Put(*store_, key, "x").ok());
    auto upload = *store_->Begin({.key = "t/b", .expected_bytes = 0, .state = {}}, {});
    EXPECT_TRUE(upload->Append(AsBytes(SomeBytes(9'000'000)), {}).ok());
    EXPECT_TRUE(upload->Commit({}, {}).ok());
  }

  // From now on reading objects whose names begin so gives `status`.
  void Fail(const std::string& prefix, int status) {
    server_.SetHook([prefix, status](const FakeS3::Request& request) -> std::optional<FakeS3::Answer> {
      if (request.method != "GET" || !request.name.starts_with(prefix)) return std::nullopt;
      return FakeS3::Answer{status, "", ""};
    });
  }

  // All pages.
  ScrubPage Scrub() {
    ScrubPage all;
    std::string after;
    do {
      const auto page = store_->Scrub({.prefix = {}, .start_after = after}, {});
      if (!page.ok()) {
        ADD_FAILURE() << page.status();
        break;
      }
      all.blocks += page->blocks;
      all.bytes += page->bytes;
      all.damaged.insert(all.damaged.end(), page->damaged.begin(), page->damaged.end());
      after = page->last_key;
    } while (!after.empty());
    return all;
  }

  std::unique_ptr<BlockStore> store_;
};

TEST_F(S3UnreadableTest, TheScrubberGoesOnAfterOneBlock) {
  for (const std::string& object : {std::string("p/k/t.bb"), server_.Names("p/d/").at(1)}) {
    for (const int status : {500, 503, 400, 403}) {
      Fail(object, status);
      const ScrubPage scrubbed = Scrub();
      EXPECT_THAT(scrubbed.damaged, ElementsAre("t/b")) << object << ' ' << status;
      EXPECT_EQ(scrubbed.blocks, 3u);
    }
  }
  // Of the server's own faults nothing is left when it has got over them.
  server_.SetHook(nullptr);
  EXPECT_THAT(Scrub().damaged, ElementsAre());
  EXPECT_TRUE(store_->Open("t/b", {}).ok());
}

TEST_F(S3UnreadableTest, AStoreThatIsAwayDamagesNothing) {
  Fail("", 503);
  EXPECT_EQ(store_->Scrub({}, {}).status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(store_->List({}, {}).status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(store_->Maintain({}).code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(store_->Status().damaged_blocks, 0u);
  server_.SetHook(nullptr);
  EXPECT_THAT(Scrub().damaged, ElementsAre());
}

TEST_F(S3UnreadableTest, OneBlockHoldsUpNeitherUpkeepNorListings) {
  ASSERT_TRUE(Put(*store_, "t/d", "x", {.ttl = milliseconds(1000)}).ok());
  clock_.Advance(milliseconds(1000));
  Fail("p/k/t.bb", 500);
  for (int i = 0; i < 600 && store_->Status().expired_blocks == 0; ++i) {
    ASSERT_TRUE(store_->Maintain({}).ok());
    std::this_thread::sleep_for(milliseconds(10));
  }
  EXPECT_THAT(server_.Names("p/k/"), ElementsAre("p/k/t.ba", "p/k/t.bb", "p/k/t.bc"));
  EXPECT_EQ(store_->Status().damaged_blocks, 1u);
  EXPECT_EQ(server_.Names("p/d/").size(), 3u);
  const auto list = store_->List({}, {});
  ASSERT_TRUE(list.ok()) << list.status();
  std::vector<std::string> keys;
  for (const BlockInfo& info : list->blocks) keys.push_back(info.key);
  EXPECT_THAT(keys, ElementsAre("t/a", "t/b", "t/c"));
}

}  // namespace
}  // namespace dcac::store
