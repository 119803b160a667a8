// Bits of a local store's files that flip, and files that are gone: told, never given out, and found by the scrubber.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <random>
#include <thread>

#include "server/store/local_fixture.h"

namespace dcac::store {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

class LocalDamageTest : public LocalStoreTest {
 protected:
  std::string PathOf(const std::string& key) {
    const std::string version = (*store_->Open(key, {}))->info().version;
    return folder_.path() + "/files/" + version.substr(0, 2) + "/" + version;
  }
};

// Every bit of the header and of the last checksum of a payload file, some of the rest.
TEST_F(LocalDamageTest, AFlippedBitInAFileIsDataLossAndNeverData) {
  sync_ = SyncPolicy::kNone;
  Open();
  const std::string bytes = SomeBytes(70'000);
  ASSERT_TRUE(Put("t/other", SomeBytes(100'000)).ok());
  std::string content;
  constexpr std::size_t kEveryBitBefore = 150 * 8, kEveryBitOfLast = 64, kStride = 997;
  for (std::size_t bit = 0, bits = 8; bit < bits;) {
    ASSERT_TRUE(Put("t/k", bytes).ok());
    const std::string path = PathOf("t/k");
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    content.assign(std::istreambuf_iterator<char>(file), {});
    bits = content.size() * 8;
    file.seekp(static_cast<std::streamoff>(bit / 8));
    file.put(static_cast<char>(content[bit / 8] ^ (1 << bit % 8)));
    file.close();
    ASSERT_EQ(Get("t/k").status().code(), absl::StatusCode::kDataLoss) << "bit " << bit;
    ASSERT_EQ(store_->Status().damaged_blocks, 1u);
    ASSERT_EQ(Get("t/k").status().code(), absl::StatusCode::kDataLoss);
    bit += bit < kEveryBitBefore || bit + kEveryBitOfLast >= bits ? 1 : std::min(kStride, bits - kEveryBitOfLast - bit);
  }
  EXPECT_EQ(*Get("t/other"), SomeBytes(100'000));
  ASSERT_TRUE(Put("t/k", bytes).ok());
  EXPECT_EQ(*Get("t/k"), bytes);
  EXPECT_EQ(store_->Status().damaged_blocks, 0u);
}

// The machine crashes when the index has an object whose file is not whole; its upload goes on, and is acknowledged.
TEST_F(LocalDamageTest, WhatWasLostToACrashAndPutAgainByItsUploadStays) {
  sync_ = SyncPolicy::kInterval;
  Open();
  const std::string bytes = SomeBytes(300'000), crashed = folder_.path() + ".crashed";
  std::string id;
  {
    auto upload = *store_->Begin({.key = "t/k", .expected_bytes = bytes.size(), .state = "state"}, {});
    id = upload->id();
    ASSERT_TRUE(upload->Append(AsBytes(bytes), {}).ok());
    ASSERT_TRUE(upload->Commit({}, {}).ok());
  }
  fs::copy(folder_.path(), crashed, fs::copy_options::recursive);
  store_.reset();
  fs::remove_all(folder_.path());
  fs::rename(crashed, folder_.path());
  fs::resize_file(folder_.path() + "/files/" + id.substr(0, 2) + "/" + id, 100'000);
  sync_ = SyncPolicy::kEach;
  Open();
  ASSERT_EQ(Get("t/k").status().code(), absl::StatusCode::kNotFound);
  {
    auto upload = store_->Resume(id, "t", {});
    ASSERT_TRUE(upload.ok()) << upload.status();
    const std::size_t kept = (*upload)->size_bytes();
    ASSERT_LT(kept, bytes.size());
    ASSERT_TRUE((*upload)->Append(AsBytes(bytes).subspan(kept), {}).ok());
    ASSERT_TRUE((*upload)->Commit({}, {}).ok());
  }
  Open();
  const auto back = Get("t/k");
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ(*back, bytes);
}

TEST_F(LocalDamageTest, TheScrubberFindsDamageAndMissingFiles) {
  Open();
  for (const char* key : {"t/a", "t/b", "t/c"}) ASSERT_TRUE(Put(key, SomeBytes(300'000)).ok());
  {
    std::fstream file(PathOf("t/a"), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(250'000);
    file.put('!');
  }
  fs::remove(PathOf("t/c"));
  const auto page = store_->Scrub({}, {});
  ASSERT_TRUE(page.ok()) << page.status();
  EXPECT_THAT(page->damaged, ElementsAre("t/a", "t/c"));
  EXPECT_EQ(store_->Status().damaged_blocks, 2u);
  EXPECT_EQ(*Get("t/b"), SomeBytes(300'000));
  Open();
  EXPECT_EQ(store_->Status().damaged_blocks, 2u);
  EXPECT_EQ(Get("t/a").status().code(), absl::StatusCode::kDataLoss);
}

TEST_F(LocalDamageTest, TheScrubberGoesOnAfterAFileThatCannotBeRead) {
  Open();
  for (const char* key : {"t/a", "t/b", "t/c"}) ASSERT_TRUE(Put(key, SomeBytes(300'000)).ok());
  const std::string unreadable = PathOf("t/a");
  fs::remove(PathOf("t/c"));
  fs::remove(unreadable);
  fs::create_directory(unreadable);  // it opens, and reading it is an error
  EXPECT_EQ(Get("t/a").status().code(), absl::StatusCode::kUnavailable);
  const auto page = store_->Scrub({}, {});
  ASSERT_TRUE(page.ok()) << page.status();
  EXPECT_THAT(page->damaged, ElementsAre("t/a", "t/c"));
  EXPECT_EQ(page->last_key, "");
  EXPECT_EQ(Get("t/a").status().code(), absl::StatusCode::kDataLoss);
}

TEST_F(LocalDamageTest, ADiskThatIsAwayDamagesNothing) {
  Open();
  for (const char* key : {"t/a", "t/b"}) ASSERT_TRUE(Put(key, SomeBytes(300'000)).ok());
  fs::rename(folder_.path() + "/files", folder_.path() + "/away");
  EXPECT_EQ(Get("t/a").status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(store_->Scrub({}, {}).status().code(), absl::StatusCode::kUnavailable);
  fs::rename(folder_.path() + "/away", folder_.path() + "/files");
  EXPECT_EQ(store_->Status().damaged_blocks, 0u);
  EXPECT_EQ(*Get("t/a"), SomeBytes(300'000));
}

TEST_F(LocalDamageTest, TheScrubberFindsEveryFlippedBitOfALargeFile) {
  sync_ = SyncPolicy::kNone;
  Open();
  const std::string bytes = SomeBytes(1'000'000), other = SomeBytes(300'000, 2);
  ASSERT_TRUE(Put("t/other", other).ok());
  std::mt19937 random(1);
  for (int round = 0; round < 1000; ++round) {
    ASSERT_TRUE(Put("t/k", bytes).ok());
    const std::string path = PathOf("t/k");
    const auto at = static_cast<std::streamoff>(random() % fs::file_size(path));
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(at);
    const int byte = file.get();
    file.seekp(at);
    file.put(static_cast<char>(byte ^ (1 << random() % 8))).flush();
    const auto page = store_->Scrub({.prefix = "t/k"}, {});
    ASSERT_TRUE(page.ok()) << page.status();
    ASSERT_THAT(page->damaged, ElementsAre("t/k")) << "byte " << at;
    ASSERT_EQ(Get("t/k").status().code(), absl::StatusCode::kDataLoss) << "byte " << at;
  }
  EXPECT_EQ(*Get("t/other"), other);
}

TEST_F(LocalDamageTest, TheScrubberFindsDamageOfPackedBlocks) {
  Open();
  const std::string bytes = SomeBytes(5000), other = SomeBytes(5000, 2);
  ASSERT_TRUE(Put("t/k", bytes).ok());
  ASSERT_TRUE(Put("t/other", other).ok());
  Open();  // so that it lies in a file of packed payloads
  for (const auto& entry : fs::directory_iterator(folder_.path() + "/index")) {
    std::fstream file(entry.path(), std::ios::in | std::ios::out | std::ios::binary);
    const std::string content(std::istreambuf_iterator<char>(file), {});
    const std::size_t at = content.find(bytes);
    if (at == std::string::npos) continue;
    file.seekp(static_cast<std::streamoff>(at));
    file.put(static_cast<char>(bytes[0] ^ 1));
  }
  const auto page = store_->Scrub({}, {});
  ASSERT_TRUE(page.ok()) << page.status();
  EXPECT_THAT(page->damaged, ElementsAre("t/k"));
  EXPECT_EQ(Get("t/k").status().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(*Get("t/other"), other);
  ASSERT_TRUE(Put("t/k", bytes).ok());
  EXPECT_EQ(*Get("t/k"), bytes);
}

TEST_F(LocalDamageTest, TheScrubberDoesNotTakeForDamagedWhatIsPutAnew) {
  sync_ = SyncPolicy::kNone;
  Open();
  std::atomic<bool> done{false};
  std::thread writer([&] {
    for (int i = 0; i < 300; ++i) EXPECT_TRUE(Put("t/k", SomeBytes(100'000)).ok());
    done = true;
  });
  while (!done) {
    const auto page = store_->Scrub({}, {});
    ASSERT_TRUE(page.ok()) << page.status();
    EXPECT_THAT(page->damaged, IsEmpty());
  }
  writer.join();
  EXPECT_EQ(store_->Status().damaged_blocks, 0u);
}

}  // namespace
}  // namespace dcac::store
