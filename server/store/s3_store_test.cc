#include "server/store/s3_store.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "server/store/conformance.h"
#include "server/store/record.h"

namespace dcac::store {
namespace {

using std::chrono::milliseconds;
using ::testing::ElementsAre;

// A place of its own in the bucket that the environment names.
S3StoreOptions TestOptions() {
  auto options = S3StoreOptionsOf(ReadEnvironment("S3_BUCKET").value_or("") + "/test-" + RandomId(), ReadEnvironment);
  if (!options.ok()) {
    ADD_FAILURE() << options.status();
    return {};
  }
  options->sweep_interval = milliseconds(0);
  options->removal_delay = milliseconds(400);
  return *std::move(options);
}

absl::StatusOr<std::unique_ptr<BlockStore>> OpenEmpty(const StoreLimits& limits, TestClock& clock) {
  S3StoreOptions options = TestOptions();
  options.limits = limits;
  options.clock = clock.function();
  return OpenS3Store(std::move(options));
}

INSTANTIATE_TEST_SUITE_P(S3, StoreConformanceTest, ::testing::Values(Backend{"s3", OpenEmpty}));

class S3StoreTest : public ::testing::Test {
 protected:
  S3StoreTest() : options_(TestOptions()), client_(ClientOptions()), store_(Open()) {}

  // A server of its own on the same bucket.
  std::unique_ptr<BlockStore> Open() {
    options_.clock = clock_.function();
    auto store = OpenS3Store(options_);
    if (!store.ok()) ADD_FAILURE() << store.status();
    return store.ok() ? *std::move(store) : nullptr;
  }

  S3ClientOptions ClientOptions() const {
    S3ClientOptions options = options_.client;
    options.clock = [] { return std::chrono::floor<milliseconds>(std::chrono::system_clock::now()); };
    return options;
  }

  absl::Status Put(BlockStore& store, const std::string& key, const std::string& bytes, PutOptions options = {}) {
    auto upload = store.Begin({.key = key, .expected_bytes = 0, .state = {}}, control_);
    if (!upload.ok()) return upload.status();
    if (const absl::Status status = (*upload)->Append(AsBytes(bytes), control_); !status.ok()) return status;
    return (*upload)->Commit(options, control_).status();
  }

  absl::StatusOr<std::string> Get(BlockStore& store, const std::string& key) {
    const auto reader = store.Open(key, control_);
    if (!reader.ok()) return reader.status();
    std::string bytes((*reader)->info().size_bytes, '\0');
    const absl::Status status = (*reader)->Read(0, std::as_writable_bytes(std::span(bytes)), control_);
    if (!status.ok()) return status;
    return bytes;
  }

  std::vector<std::string> Objects(const std::string& below) {
    std::vector<std::string> names;
    const auto page = client_.List(options_.prefix + "/" + below, "", 1000, control_);
    EXPECT_TRUE(page.ok()) << page.status();
    if (page.ok()) {
      for (const S3Entry& entry : page->entries) names.push_back(entry.name);
    }
    return names;
  }

  void FlipByte(const std::string& object, std::size_t at) {
    std::string bytes(std::size_t{16} << 20, '\0');
    const auto got = client_.Get(object, 0, std::as_writable_bytes(std::span(bytes)), control_);
    ASSERT_TRUE(got.ok()) << got.status();
    bytes.resize(got->bytes);
    bytes[at] ^= 1;
    ASSERT_TRUE(client_.Put(object, {AsBytes(bytes)}, false, control_).ok());
  }

  void MaintainUntilRemoved(BlockStore& store, const std::string& below) {
    for (int i = 0; i < 600 && !Objects(below).empty(); ++i) {
      ASSERT_TRUE(store.Maintain(control_).ok());
      std::this_thread::sleep_for(milliseconds(20));
    }
    EXPECT_THAT(Objects(below), ElementsAre());
  }

  TestClock clock_;
  S3StoreOptions options_;
  S3Client client_;
  const CallControl control_;
  std::unique_ptr<BlockStore> store_;
};

TEST_F(S3StoreTest, LargeBlocksComeBack) {
  const std::string bytes = SomeBytes(21'000'001);
  ASSERT_TRUE(Put(*store_, "t/k", bytes).ok());
  EXPECT_EQ(Objects("d/").size(), 6u);
  EXPECT_EQ(*Get(*store_, "t/k"), bytes);
  const auto reader = *store_->Open("t/k", control_);
  std::string part(5'000'000, '\0');
  ASSERT_TRUE(reader->Read(4'000'000, std::as_writable_bytes(std::span(part)), control_).ok());
  EXPECT_EQ(part, bytes.substr(4'000'000, part.size()));
}

TEST_F(S3StoreTest, AnotherServerGoesOnWithAnUpload) {
  const auto other = Open();
  for (const std::size_t size : {5'000'000u, 14'000'000u}) {
    const std::string bytes = SomeBytes(size);
    std::string id;
    {
      const auto upload = *store_->Begin({.key = "t/k", .expected_bytes = 0, .state = "state"}, control_);
      id = upload->id();
      ASSERT_TRUE(upload->Append(AsBytes(bytes).first(size - 300'000), control_).ok());
      EXPECT_EQ(upload->kept_bytes(), (size - 300'000) / 4'194'304 * 4'194'304);
    }
    const auto upload = other->Resume(id, "t", control_);
    ASSERT_TRUE(upload.ok()) << upload.status();
    ASSERT_EQ((*upload)->size_bytes(), size - 300'000);
    std::string part(size - 300'000, '\0');
    ASSERT_TRUE((*upload)->Read(0, std::as_writable_bytes(std::span(part)), control_).ok());
    EXPECT_EQ(part, bytes.substr(0, part.size()));
    ASSERT_TRUE((*upload)->Append(AsBytes(bytes).last(300'000), control_).ok());
    ASSERT_TRUE((*upload)->Commit({}, control_).ok());
    EXPECT_EQ(*Get(*store_, "t/k"), bytes);
    EXPECT_EQ(store_->Resume(id, "t", control_).status().code(), absl::StatusCode::kNotFound);
  }
  EXPECT_THAT(Objects("u/"), ElementsAre());
}

TEST_F(S3StoreTest, OfRacersOnTwoServersForAnExpiredKeyOneWins) {
  const auto other = Open();
  ASSERT_TRUE(Put(*store_, "t/k", "old", {.ttl = milliseconds(1000)}).ok());
  clock_.Advance(milliseconds(1000));
  std::vector<absl::Status> results(8);
  std::vector<std::thread> racers;
  for (unsigned i = 0; i < results.size(); ++i) {
    racers.emplace_back([&, i] {
      results[i] = Put(i % 2 ? *other : *store_, "t/k", SomeBytes(50'000, i),
                       {.condition = {.if_absent = true, .if_digest = {}}});
    });
  }
  for (std::thread& racer : racers) racer.join();
  int winners = 0;
  for (unsigned i = 0; i < results.size(); ++i) {
    if (!results[i].ok()) {
      EXPECT_EQ(results[i].code(), absl::StatusCode::kAlreadyExists) << results[i];
      continue;
    }
    ++winners;
    EXPECT_EQ(*Get(*store_, "t/k"), SomeBytes(50'000, i));
  }
  EXPECT_EQ(winners, 1);
}

TEST_F(S3StoreTest, RemovesWhatHasExpired) {
  const auto other = Open();
  ASSERT_TRUE(Put(*store_, "t/small", SomeBytes(1000), {.ttl = milliseconds(1000)}).ok());
  ASSERT_TRUE(store_->Update("t/small", {.pinned = true}, control_).ok());
  ASSERT_TRUE(Put(*store_, "t/anew", SomeBytes(1000), {.ttl = milliseconds(1000)}).ok());
  ASSERT_TRUE(Put(*store_, "t/stays", SomeBytes(1000)).ok());
  clock_.Advance(milliseconds(1000));
  ASSERT_TRUE(store_->Maintain(control_).ok());
  ASSERT_TRUE(other->Maintain(control_).ok());
  EXPECT_EQ(Objects("x/").size(), 4u);
  // While both are about to remove it.
  std::jthread racer([&] { EXPECT_TRUE(Put(*other, "t/anew", "new").ok()); });
  MaintainUntilRemoved(*store_, "k/t.bsmall");
  for (int i = 0; i < 600 && !Objects("x/").empty(); ++i) {
    ASSERT_TRUE(store_->Maintain(control_).ok());
    ASSERT_TRUE(other->Maintain(control_).ok());
    std::this_thread::sleep_for(milliseconds(20));
  }
  racer.join();
  EXPECT_EQ(*Get(*store_, "t/anew"), "new");
  EXPECT_TRUE(Get(*store_, "t/stays").ok());
  EXPECT_EQ(Objects("k/").size(), 2u);
  EXPECT_THAT(Objects("t/"), ElementsAre());
}

TEST_F(S3StoreTest, ChangesCountAtOnceOnTheServerThatMakesThem) {
  ASSERT_TRUE(Put(*store_, "t/k", "old").ok());
  ASSERT_TRUE(store_->Open("t/k", control_).ok());
  ASSERT_TRUE(store_->Maintain(control_).ok());  // from now on it knows that there are no changes
  EXPECT_FALSE((*store_->Open("t/k", control_))->info().pinned);
  ASSERT_TRUE(store_->Update("t/k", {.pinned = true, .set_ttl = true, .ttl = milliseconds(1000)}, control_).ok());
  EXPECT_TRUE((*store_->Open("t/k", control_))->info().pinned);
  ASSERT_TRUE(store_->Maintain(control_).ok());
  EXPECT_TRUE((*store_->Open("t/k", control_))->info().pinned);
  clock_.Advance(milliseconds(1000));
  EXPECT_EQ(Get(*store_, "t/k").status().code(), absl::StatusCode::kNotFound);
}

TEST_F(S3StoreTest, ChangesOfOtherServersUndoNone) {
  const std::string probe = options_.prefix + "/if-match";
  ASSERT_TRUE(client_.Put(probe, {AsBytes(probe)}, false, {}).ok());
  const bool heeded = absl::IsAborted(client_.PutIfMatch(probe, {AsBytes(probe)}, "0123", {}));
  if (!heeded) GTEST_SKIP() << "this server ignores If-Match";
  options_.limits.capacity_bytes = std::uint64_t{1} << 30;  // so that touches are kept
  store_ = Open();
  ASSERT_TRUE(Put(*store_, "t/k", "x").ok());
  std::atomic<bool> done{false};
  std::vector<std::jthread> touching;
  for (int i = 0; i < 3; ++i) {
    touching.emplace_back([&, store = std::shared_ptr<BlockStore>(Open())] {
      while (!done) {
        clock_.Advance(milliseconds(1));
        const auto touched = store->Update("t/k", {.touch = true}, {});
        EXPECT_TRUE(touched.ok()) << touched.status();
      }
    });
  }
  for (int i = 0; i < 20; ++i) {
    const bool pinned = i % 2 == 0;
    const auto updated = store_->Update("t/k", {.pinned = pinned}, {});
    EXPECT_TRUE(updated.ok()) << updated.status();
    std::this_thread::sleep_for(milliseconds(10));
    const std::string key = "t/k";
    const auto info = store_->Stat({&key, 1}, {}).front();
    EXPECT_TRUE(info.ok() && info->pinned == pinned) << i;
  }
  done = true;
}

TEST_F(S3StoreTest, EvictsWhatWasUsedTheLongestTimeAgo) {
  options_.limits.capacity_bytes = 100'000;
  store_ = Open();
  const auto other = Open();
  for (const char* key : {"t/pinned", "t/touched", "t/anew", "t/oldest", "t/next"}) {
    ASSERT_TRUE(Put(*store_, key, SomeBytes(18'500), {.pinned = key == std::string_view("t/pinned")}).ok());
    clock_.Advance(milliseconds(1000));
  }
  ASSERT_TRUE(other->Update("t/touched", {.touch = true}, control_).ok());
  ASSERT_TRUE(Put(*other, "t/anew", SomeBytes(18'000)).ok());
  EXPECT_EQ(Put(*store_, "t/more", SomeBytes(35'000)).code(), absl::StatusCode::kResourceExhausted);
  ASSERT_TRUE(store_->Maintain(control_).ok());
  ASSERT_TRUE(other->Maintain(control_).ok());
  EXPECT_TRUE(Get(*store_, "t/oldest").ok());
  EXPECT_TRUE(Get(*store_, "t/next").ok());
  // While it is about to be removed too.
  absl::Status pinned;
  std::jthread pinner([&] { pinned = other->Update("t/next", {.pinned = true}, control_).status(); });
  MaintainUntilRemoved(*store_, "k/t.boldest");
  for (int i = 0; i < 600 && !Objects("x/").empty(); ++i) {
    ASSERT_TRUE(store_->Maintain(control_).ok());
    ASSERT_TRUE(other->Maintain(control_).ok());
    std::this_thread::sleep_for(milliseconds(20));
  }
  pinner.join();
  EXPECT_EQ(Get(*store_, "t/oldest").status().code(), absl::StatusCode::kNotFound);
  for (const char* key : {"t/pinned", "t/touched", "t/anew"}) EXPECT_TRUE(Get(*other, key).ok()) << key;
  EXPECT_EQ(Get(*other, "t/next").status().code(), pinned.code()) << pinned;
  EXPECT_TRUE(Put(*store_, "t/more", SomeBytes(20'000)).ok());
  EXPECT_GE(store_->Status().evicted_blocks + other->Status().evicted_blocks, 1u);
}

TEST_F(S3StoreTest, RemovesPartsThatNobodyRefersTo) {
  {
    const auto upload = *store_->Begin({.key = "t/k", .expected_bytes = 0, .state = "state"}, control_);
    ASSERT_TRUE(upload->Append(AsBytes(SomeBytes(5'000'000)), control_).ok());
  }
  ASSERT_TRUE(Put(*store_, "t/stays", SomeBytes(9'000'000)).ok());
  ASSERT_TRUE(store_->Maintain(control_).ok());
  EXPECT_EQ(Objects("d/").size(), 2u + 3u);
  clock_.Advance(std::chrono::hours(26));
  ASSERT_TRUE(store_->Maintain(control_).ok());
  EXPECT_EQ(Objects("d/").size(), 3u);
  EXPECT_THAT(Objects("u/"), ElementsAre());
  EXPECT_EQ(*Get(*store_, "t/stays"), SomeBytes(9'000'000));
}

TEST_F(S3StoreTest, DropsThePartsOfDeletedBlocks) {
  options_.reader_grace = milliseconds(0);
  store_ = Open();
  ASSERT_TRUE(Put(*store_, "t/k", SomeBytes(9'000'000, 1)).ok());
  ASSERT_TRUE(Put(*store_, "t/k", SomeBytes(9'000'000, 2)).ok());
  ASSERT_TRUE(store_->Maintain(control_).ok());
  EXPECT_EQ(Objects("d/").size(), 3u);
  const std::string key = "t/k";
  ASSERT_TRUE(store_->Delete({&key, 1}, control_)[0].ok());
  MaintainUntilRemoved(*store_, "d/");
}

TEST_F(S3StoreTest, DamageIsDataLossAndFoundByScrub) {
  for (const char* key : {"t/head", "t/bytes", "t/part", "t/whole"}) {
    ASSERT_TRUE(Put(*store_, key, SomeBytes(key == std::string_view("t/part") ? 9'000'000 : 300'000)).ok());
  }
  FlipByte(options_.prefix + "/k/t.bhead", 20);
  FlipByte(options_.prefix + "/k/t.bbytes", 200'000);
  FlipByte(Objects("d/")[1], 100'000);
  for (const char* key : {"t/head", "t/bytes", "t/part"}) {
    EXPECT_EQ(Get(*store_, key).status().code(), absl::StatusCode::kDataLoss) << key;
  }
  const auto page = store_->Scrub({.prefix = "t/", .start_after = {}}, control_);
  ASSERT_TRUE(page.ok()) << page.status();
  EXPECT_THAT(page->damaged, ::testing::UnorderedElementsAre("t/head", "t/bytes", "t/part"));
  EXPECT_EQ(store_->Open("t/bytes", control_).status().code(), absl::StatusCode::kDataLoss);
  EXPECT_TRUE(Get(*store_, "t/whole").ok());
  ASSERT_TRUE(Put(*store_, "t/bytes", "new").ok());
  EXPECT_EQ(*Get(*store_, "t/bytes"), "new");
  const std::string head = "t/head";
  EXPECT_TRUE(store_->Delete({&head, 1}, control_)[0].ok());
}

// Folders of a server that keeps objects as files have another order than their names with what is below them.
TEST_F(S3StoreTest, RemovesKeysThatBeginAlike) {
  for (const char* key : {"t/a", "t/a b", "t/a-b", "t/a.b", "t/a/b", "t/a1"}) {
    ASSERT_TRUE(Put(*store_, key, SomeBytes(1000), {.ttl = milliseconds(1000)}).ok());
    ASSERT_TRUE(store_->Update(key, {.pinned = true}, control_).ok());
  }
  clock_.Advance(milliseconds(1000));
  ASSERT_TRUE(store_->Maintain(control_).ok());
  EXPECT_EQ(Objects("x/").size(), 6u);
  MaintainUntilRemoved(*store_, "");
}

TEST_F(S3StoreTest, ListsVeryLongKeys) {
  std::vector<std::string> keys;
  for (int i = 9; i >= 0; --i) keys.push_back("t/" + std::string(900, 'x') + std::to_string(i));
  keys.push_back("t/" + std::string(300, 'x'));
  for (const std::string& key : keys) ASSERT_TRUE(Put(*store_, key, "x").ok());
  std::ranges::reverse(keys);
  std::vector<std::string> found;
  ListRequest request{.prefix = "t/xx", .start_after = {}, .limit = 3};
  while (true) {
    const auto page = store_->List(request, control_);
    ASSERT_TRUE(page.ok()) << page.status();
    for (const BlockInfo& info : page->blocks) found.push_back(info.key);
    if (!page->more) break;
    request.start_after = found.back();
  }
  EXPECT_EQ(found, keys);
  const auto page = store_->List({.prefix = keys[4].substr(0, 902), .start_after = {}}, control_);
  ASSERT_TRUE(page.ok());
  EXPECT_EQ(page->blocks.size(), 10u);
}

// DCAC_S3_SERVER is a program that takes `kill FOLDER` and `start FOLDER`; DCAC_S3_FOLDER is the server's.
TEST_F(S3StoreTest, IsUnavailableWhileTheServerIsAway) {
  const auto program = ReadEnvironment("DCAC_S3_SERVER"), folder = ReadEnvironment("DCAC_S3_FOLDER");
  if (!program || !folder) GTEST_SKIP() << "no DCAC_S3_SERVER with DCAC_S3_FOLDER that could be killed";
  options_.client.retry_for = milliseconds(100);
  store_ = Open();
  const std::string bytes = SomeBytes(9'000'000);
  ASSERT_TRUE(Put(*store_, "t/k", bytes).ok());
  auto upload = *store_->Begin({.key = "t/cut", .expected_bytes = 0, .state = "state"}, control_);
  ASSERT_TRUE(upload->Append(AsBytes(bytes).first(5'000'000), control_).ok());
  ASSERT_EQ(std::system((*program + " kill " + *folder).c_str()), 0);
  EXPECT_EQ(Get(*store_, "t/k").status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(Put(*store_, "t/other", "x").code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(upload->Append(AsBytes(bytes).subspan(5'000'000), control_).code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(OpenS3Store(options_).status().code(), absl::StatusCode::kUnavailable);
  ASSERT_EQ(std::system((*program + " start " + *folder + " >/dev/null").c_str()), 0);
  EXPECT_EQ(*Get(*store_, "t/k"), bytes);
  ASSERT_TRUE(upload->Append(AsBytes(bytes).subspan(upload->size_bytes()), control_).ok());
  ASSERT_TRUE(upload->Commit({}, control_).ok());
  EXPECT_EQ(*Get(*store_, "t/cut"), bytes);
}

// Without a server all is skipped.
class NeedsServer : public ::testing::Environment {
 public:
  void SetUp() override {
    if (!ReadEnvironment("AWS_ENDPOINT_URL") || !ReadEnvironment("S3_BUCKET")) {
      GTEST_SKIP() << "no S3 server in AWS_ENDPOINT_URL and S3_BUCKET";
    }
  }
};
const auto* const kNeedsServer = ::testing::AddGlobalTestEnvironment(new NeedsServer);

}  // namespace
}  // namespace dcac::store
