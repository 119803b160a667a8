#include "server/store/local_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <map>

#include "server/store/conformance.h"
#include "server/store/record.h"

namespace dcac::store {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

// A folder of its own, gone at the end.
class TempFolder {
 public:
  TempFolder() {
    std::string path = ::testing::TempDir() + "/store.XXXXXX";
    if (mkdtemp(path.data()) == nullptr) std::abort();
    path_ = path;
  }
  ~TempFolder() { fs::remove_all(path_); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// A backend whose stores have a folder each for as long as the test runs.
Backend LocalBackend(const char* name, SyncPolicy sync) {
  return {name, [sync](const StoreLimits& limits, TestClock& clock) {
            static std::vector<std::unique_ptr<TempFolder>> folders;
            folders.push_back(std::make_unique<TempFolder>());
            LocalStoreOptions options{.folder = folders.back()->path() + "/store", .limits = limits, .sync = sync};
            options.now = clock.function();
            return OpenLocalStore(options);
          }};
}

Backend MemoryBackend() {
  return {"Memory",
          [](const StoreLimits& limits, TestClock& clock) { return OpenMemoryStore(limits, clock.function()); }};
}

INSTANTIATE_TEST_SUITE_P(Backends, StoreConformanceTest,
                         ::testing::Values(LocalBackend("LocalEach", SyncPolicy::kEach),
                                           LocalBackend("LocalInterval", SyncPolicy::kInterval),
                                           LocalBackend("LocalNone", SyncPolicy::kNone), MemoryBackend()),
                         [](const auto& instance) { return instance.param.name; });

class LocalStoreTest : public ::testing::Test {
 protected:
  void Open() {
    store_.reset();
    LocalStoreOptions options{.folder = folder_.path(), .limits = limits_, .sync = sync_};
    options.now = clock_.function();
    auto store = OpenLocalStore(options);
    ASSERT_TRUE(store.ok()) << store.status();
    store_ = *std::move(store);
  }

  absl::StatusOr<BlockInfo> Put(const std::string& key, std::string_view bytes, const PutOptions& options = {}) {
    auto upload = store_->Begin({.key = key, .expected_bytes = bytes.size(), .state = {}}, {});
    if (!upload.ok()) return upload.status();
    if (const absl::Status status = (*upload)->Append(AsBytes(bytes), {}); !status.ok()) return status;
    return (*upload)->Commit(options, {});
  }

  absl::StatusOr<std::string> Get(const std::string& key) {
    auto reader = store_->Open(key, {});
    if (!reader.ok()) return reader.status();
    std::string bytes((*reader)->info().size_bytes, '\0');
    const absl::Status status = (*reader)->Read(0, std::as_writable_bytes(std::span(bytes)), {});
    if (!status.ok()) return status;
    return bytes;
  }

  std::vector<std::string> Keys() {
    std::vector<std::string> keys;
    const absl::StatusOr<ListPage> page = store_->List({}, {});
    for (const BlockInfo& info : page->blocks) keys.push_back(info.key);
    return keys;
  }

  std::vector<fs::path> Files() const {
    std::vector<fs::path> files;
    for (const auto& entry : fs::recursive_directory_iterator(folder_.path() + "/files")) {
      if (entry.is_regular_file()) files.push_back(entry.path());
    }
    return files;
  }

  const TempFolder folder_;
  TestClock clock_;
  StoreLimits limits_;
  SyncPolicy sync_ = SyncPolicy::kEach;
  std::unique_ptr<BlockStore> store_;
};

TEST_F(LocalStoreTest, KeepsBlocksOverARestart) {
  Open();
  std::map<std::string, std::string> blocks;
  for (const std::size_t size : {10u, 4096u, 5000u, 200'000u, 2'000'000u}) {
    blocks["t/" + std::to_string(size)] = SomeBytes(size);
  }
  for (const auto& [key, bytes] : blocks) ASSERT_TRUE(Put(key, bytes, {.raw_bytes = 7}).ok());
  const StoreStatus before = store_->Status();
  Open();
  for (const auto& [key, bytes] : blocks) EXPECT_EQ(*Get(key), bytes);
  EXPECT_EQ(store_->Status().usage.blocks, before.usage.blocks);
  EXPECT_EQ(store_->Status().usage.stored_bytes, before.usage.stored_bytes);
  EXPECT_EQ(store_->Status().usage.raw_bytes, 35u);
}

TEST_F(LocalStoreTest, ASecondOpenerIsRefused) {
  Open();
  EXPECT_EQ(OpenLocalStore({.folder = folder_.path(), .limits = {}}).status().code(), absl::StatusCode::kAlreadyExists);
}

TEST_F(LocalStoreTest, RemovesFilesThatNothingNames) {
  Open();
  ASSERT_TRUE(Put("t/k", SomeBytes(100'000)).ok());
  ASSERT_TRUE(Put("t/k", SomeBytes(100'000, 2)).ok());
  EXPECT_EQ(Files().size(), 1u);
  store_.reset();
  const std::string id(kIdCharacters, 'a');
  std::ofstream(folder_.path() + "/files/aa/" + id) << "torn";
  fs::copy_file(Files().front(), folder_.path() + "/files/bb/" + std::string(kIdCharacters, 'b'));
  Open();
  EXPECT_EQ(Files().size(), 1u);
  EXPECT_EQ(*Get("t/k"), SomeBytes(100'000, 2));
}

TEST_F(LocalStoreTest, UploadsGoOnAfterARestart) {
  Open();
  const std::string bytes = SomeBytes(5'000'000);
  std::string id;
  {
    auto upload = *store_->Begin({.key = "t/k", .expected_bytes = 0, .state = "state"}, {});
    id = upload->id();
    ASSERT_TRUE(upload->Append(AsBytes(bytes).first(4'500'000), {}).ok());
  }
  Open();
  // Torn, as a crash of the machine may leave it.
  ASSERT_EQ(Files().size(), 1u);
  fs::resize_file(Files().front(), fs::file_size(Files().front()) - 1000);
  auto upload = store_->Resume(id, {});
  ASSERT_TRUE(upload.ok()) << upload.status();
  const std::uint64_t kept = (*upload)->size_bytes();
  EXPECT_GT(kept, 3'000'000u);
  ASSERT_TRUE((*upload)->Append(AsBytes(bytes).subspan(kept), {}).ok());
  ASSERT_TRUE((*upload)->Commit({}, {}).ok());
  EXPECT_EQ(*Get("t/k"), bytes);
}

TEST_F(LocalStoreTest, UploadsThatNobodyGoesOnWithAreRemoved) {
  Open();
  {
    auto upload = *store_->Begin({.key = "t/k", .expected_bytes = 0, .state = "state"}, {});
    ASSERT_TRUE(upload->Append(AsBytes(SomeBytes(4'000'000)), {}).ok());
  }
  // The file system's clock is not the store's: far beyond both.
  clock_.Advance(std::chrono::hours(24 * 365 * 30));
  ASSERT_TRUE(store_->Maintain({}).ok());
  EXPECT_THAT(Files(), IsEmpty());
}

TEST_F(LocalStoreTest, EvictsWhatWasNotUsedForLongestButNothingPinned) {
  limits_.capacity_bytes = 100'000;
  Open();
  ASSERT_TRUE(Put("t/pinned", SomeBytes(20'000), {.pinned = true}).ok());
  for (const char* key : {"t/a", "t/b", "t/c"}) {
    clock_.Advance(milliseconds(1000));
    ASSERT_TRUE(Put(key, SomeBytes(25'000)).ok());
  }
  clock_.Advance(std::chrono::minutes(5));
  ASSERT_TRUE(Get("t/a").ok());
  ASSERT_TRUE(Put("t/d", SomeBytes(20'000)).ok());
  EXPECT_THAT(Keys(), ElementsAre("t/a", "t/c", "t/d", "t/pinned"));
  EXPECT_EQ(store_->Status().evicted_blocks, 1u);
  EXPECT_EQ(store_->Status().usage.stored_bytes, 90'000u);
  EXPECT_EQ(Put("t/e", SomeBytes(90'000)).status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(Put("t/f", SomeBytes(100'001)).status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(store_->Status().reserved_bytes, 0u);
}

TEST_F(LocalStoreTest, EvictsWhatHasExpiredFirst) {
  limits_.capacity_bytes = 100'000;
  Open();
  ASSERT_TRUE(Put("t/old", SomeBytes(50'000)).ok());
  clock_.Advance(std::chrono::minutes(2));
  ASSERT_TRUE(Put("t/gone", SomeBytes(50'000), {.ttl = milliseconds(1)}).ok());
  clock_.Advance(milliseconds(1));
  ASSERT_TRUE(Put("t/new", SomeBytes(50'000)).ok());
  EXPECT_THAT(Keys(), ElementsAre("t/new", "t/old"));
  EXPECT_EQ(store_->Status().evicted_blocks, 0u);
}

// Every bit of a small payload file.
TEST_F(LocalStoreTest, EveryFlippedBitIsDataLossAndNeverData) {
  sync_ = SyncPolicy::kNone;
  Open();
  const std::string bytes = SomeBytes(5000);
  ASSERT_TRUE(Put("t/other", SomeBytes(10'000)).ok());
  std::string content;
  for (int bit = 0, bits = 8; bit < bits; ++bit) {
    ASSERT_TRUE(Put("t/k", bytes).ok());
    const std::string version = (*store_->Open("t/k", {}))->info().version;
    const std::string path = folder_.path() + "/files/" + version.substr(0, 2) + "/" + version;
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    content.assign(std::istreambuf_iterator<char>(file), {});
    bits = static_cast<int>(content.size()) * 8;
    file.seekp(bit / 8);
    file.put(static_cast<char>(content[static_cast<std::size_t>(bit / 8)] ^ (1 << bit % 8)));
    file.close();
    ASSERT_EQ(Get("t/k").status().code(), absl::StatusCode::kDataLoss) << "bit " << bit;
    ASSERT_EQ(store_->Status().damaged_blocks, 1u);
    ASSERT_EQ(Get("t/k").status().code(), absl::StatusCode::kDataLoss);
  }
  EXPECT_EQ(*Get("t/other"), SomeBytes(10'000));
  ASSERT_TRUE(Put("t/k", bytes).ok());
  EXPECT_EQ(*Get("t/k"), bytes);
  EXPECT_EQ(store_->Status().damaged_blocks, 0u);
}

TEST_F(LocalStoreTest, TheScrubberFindsDamageAndMissingFiles) {
  Open();
  for (const char* key : {"t/a", "t/b", "t/c"}) ASSERT_TRUE(Put(key, SomeBytes(300'000)).ok());
  const auto path_of = [&](const std::string& key) {
    const std::string version = (*store_->Open(key, {}))->info().version;
    return folder_.path() + "/files/" + version.substr(0, 2) + "/" + version;
  };
  {
    std::fstream file(path_of("t/a"), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(250'000);
    file.put('!');
  }
  fs::remove(path_of("t/c"));
  const auto page = store_->Scrub({}, {});
  ASSERT_TRUE(page.ok()) << page.status();
  EXPECT_THAT(page->damaged, ElementsAre("t/a", "t/c"));
  EXPECT_EQ(store_->Status().damaged_blocks, 2u);
  EXPECT_EQ(*Get("t/b"), SomeBytes(300'000));
  Open();
  EXPECT_EQ(store_->Status().damaged_blocks, 2u);
  EXPECT_EQ(Get("t/a").status().code(), absl::StatusCode::kDataLoss);
}

}  // namespace
}  // namespace dcac::store
