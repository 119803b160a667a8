#include "server/store/local_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>

#include "server/store/conformance.h"
#include "server/store/local_fixture.h"
#include "server/store/record.h"

namespace dcac::store {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

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
  auto upload = store_->Resume(id, "t", {});
  ASSERT_TRUE(upload.ok()) << upload.status();
  const std::uint64_t kept = (*upload)->size_bytes();
  EXPECT_GT(kept, 3'000'000u);
  ASSERT_TRUE((*upload)->Append(AsBytes(bytes).subspan(kept), {}).ok());
  ASSERT_TRUE((*upload)->Commit({}, {}).ok());
  EXPECT_EQ(*Get("t/k"), bytes);
}

// An upload of "t/k" that broke off with some bytes appended, and `input` kept beside them; its id.
class BrokenOffUploadTest : public LocalStoreTest {
 protected:
  std::string BreakOff() {
    auto upload = *store_->Begin({.key = "t/k", .expected_bytes = 0, .state = "state"}, {});
    EXPECT_TRUE(upload->Append(AsBytes(bytes_).first(100'001), {}).ok());
    EXPECT_TRUE(upload->KeepInput(7, std::vector{AsBytes(input_).first(1000), AsBytes(input_).subspan(1000)}).ok());
    return upload->id();
  }

  fs::path InputFile() const {
    for (const fs::path& file : Files()) {
      if (file.extension() == ".input") return file;
    }
    return {};
  }

  const std::string bytes_ = SomeBytes(150'000);
  const std::string input_ = SomeBytes(200'000, 1);
};

TEST_F(BrokenOffUploadTest, GoesOnWithAllThatItHad) {
  Open();
  const std::string id = BreakOff();
  Open();
  EXPECT_EQ(store_->Status().reserved_bytes, fs::file_size(Files()[0]) + fs::file_size(Files()[1]));
  auto upload = store_->Resume(id, "t", {});
  ASSERT_TRUE(upload.ok()) << upload.status();
  EXPECT_EQ((*upload)->size_bytes(), 100'001u);
  EXPECT_EQ((*upload)->kept_bytes(), 100'001u);
  const auto kept = (*upload)->ReadInput({});
  ASSERT_TRUE(kept.ok()) << kept.status();
  EXPECT_EQ(kept->offset, 7u);
  EXPECT_TRUE(std::ranges::equal(kept->bytes, AsBytes(input_)));
  ASSERT_TRUE((*upload)->Append(AsBytes(bytes_).subspan(100'001), {}).ok());
  ASSERT_TRUE((*upload)->Commit({}, {}).ok());
  upload->reset();
  EXPECT_EQ(*Get("t/k"), bytes_);
  EXPECT_EQ(Files().size(), 1u);
  EXPECT_EQ(store_->Status().reserved_bytes, 0u);
}

TEST_F(BrokenOffUploadTest, GoesOnAgainWithWhatItHadTheFirstTime) {
  Open();
  const std::string id = BreakOff();
  for (int i = 0; i < 2; ++i) {
    auto upload = store_->Resume(id, "t", {});
    ASSERT_TRUE(upload.ok()) << upload.status();
    EXPECT_EQ((*upload)->size_bytes(), 100'001u);
    EXPECT_EQ((*upload)->ReadInput({})->bytes.size(), input_.size());
  }
  auto upload = *store_->Resume(id, "t", {});
  ASSERT_TRUE(upload->KeepInput(8, std::vector{AsBytes(input_).first(10)}).ok());
  upload.reset();
  Open();
  upload = *store_->Resume(id, "t", {});
  EXPECT_EQ(upload->ReadInput({})->offset, 8u);
  EXPECT_EQ(upload->ReadInput({})->bytes.size(), 10u);
  ASSERT_TRUE(upload->Abort().ok());
  upload.reset();
  EXPECT_THAT(Files(), IsEmpty());
}

TEST_F(BrokenOffUploadTest, DamagedInputIsNone) {
  Open();
  const std::string id = BreakOff();
  const fs::path file = InputFile();
  const std::size_t size = fs::file_size(file);
  for (const std::size_t damaged : {std::size_t{0}, std::size_t{20}, std::size_t{60}, size / 2, size - 1}) {
    std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
    const auto flip = [&] {
      stream.seekg(static_cast<std::streamoff>(damaged));
      const int byte = stream.get();
      stream.seekp(static_cast<std::streamoff>(damaged));
      stream.put(static_cast<char>(byte ^ 1));
      stream.flush();
    };
    flip();
    EXPECT_THAT((*store_->Resume(id, "t", {}))->ReadInput({})->bytes, IsEmpty()) << damaged;
    flip();
    EXPECT_EQ((*store_->Resume(id, "t", {}))->ReadInput({})->bytes.size(), input_.size()) << damaged;
  }
  fs::resize_file(file, size - 1);
  EXPECT_THAT((*store_->Resume(id, "t", {}))->ReadInput({})->bytes, IsEmpty());
  fs::resize_file(file, 3);
  EXPECT_THAT((*store_->Resume(id, "t", {}))->ReadInput({})->bytes, IsEmpty());
}

TEST_F(BrokenOffUploadTest, InputWithoutAnUploadIsRemovedAtTheStart) {
  Open();
  const std::string id = BreakOff();
  const fs::path file = InputFile();
  fs::copy_file(file, file.string() + "2");
  ASSERT_TRUE((*store_->Resume(id, "t", {}))->Commit({}, {}).ok());
  fs::rename(file.string() + "2", file);
  EXPECT_EQ(Files().size(), 2u);
  Open();
  EXPECT_EQ(InputFile(), fs::path());
  EXPECT_EQ(Files().size(), 1u);
}

TEST_F(BrokenOffUploadTest, WhatTheQuotaHasNoRoomForIsNotKept) {
  limits_.owner_quota_bytes = 4'300'000;
  Open();
  auto upload = *store_->Begin({.key = "t/k", .expected_bytes = 0, .state = "state"}, {});
  ASSERT_TRUE(upload->Append(AsBytes(SomeBytes(4'000'000)), {}).ok());
  const std::string large = SomeBytes(400'000);
  EXPECT_EQ(upload->KeepInput(0, std::vector{AsBytes(large)}).code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(InputFile(), fs::path());
}

TEST_F(BrokenOffUploadTest, IsRemovedWhenNobodyGoesOnWithIt) {
  Open();
  BreakOff();
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

TEST_F(LocalStoreTest, AnUploadOfUnknownSizeReservesWhatItHas) {
  limits_.capacity_bytes = 1'000'000;
  Open();
  ASSERT_TRUE(Put("t/a", SomeBytes(500'000)).ok());
  auto upload = *store_->Begin({.key = "t/b", .expected_bytes = 0, .state = "state"}, {});
  for (const std::uint64_t size : {100'000u, 200'000u, 300'000u}) {
    ASSERT_TRUE(upload->Append(AsBytes(SomeBytes(100'000)), {}).ok());
    EXPECT_EQ(store_->Status().reserved_bytes, size);
  }
  ASSERT_TRUE(upload->Commit({}, {}).ok());
  EXPECT_THAT(Keys(), ElementsAre("t/a", "t/b"));
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

TEST_F(LocalStoreTest, AFinishedUploadIsNotResumed) {
  for (const SyncPolicy sync : {SyncPolicy::kEach, SyncPolicy::kInterval}) {
    sync_ = sync;
    Open();
    std::string id;
    {
      auto upload = *store_->Begin({.key = "t/k", .expected_bytes = 0, .state = "state"}, {});
      id = upload->id();
      ASSERT_TRUE(upload->Append(AsBytes(SomeBytes(100'000)), {}).ok());
      EXPECT_EQ(store_->Resume(id, "t", {}).status().code(), absl::StatusCode::kUnavailable);
      ASSERT_TRUE(upload->Commit({}, {}).ok());
    }
    EXPECT_EQ(store_->Resume(id, "t", {}).status().code(), absl::StatusCode::kNotFound);
    const std::string key = "t/k";
    ASSERT_TRUE(store_->Delete({&key, 1}, {}).front().ok());
    EXPECT_EQ(store_->Resume(id, "t", {}).status().code(), absl::StatusCode::kNotFound);
    Open();
    EXPECT_EQ(store_->Resume(id, "t", {}).status().code(), absl::StatusCode::kNotFound);
  }
}

TEST_F(LocalStoreTest, PayloadsWithoutTheirIndexAreNotTouched) {
  Open();
  ASSERT_TRUE(Put("t/k", SomeBytes(100'000)).ok());
  store_.reset();
  const auto open = [&] { return OpenLocalStore({.folder = folder_.path(), .limits = {}}).status(); };
  fs::rename(folder_.path() + "/index", folder_.path() + "/elsewhere");
  EXPECT_EQ(open().code(), absl::StatusCode::kDataLoss);
  fs::rename(folder_.path() + "/store", folder_.path() + "/mark");
  EXPECT_EQ(open().code(), absl::StatusCode::kDataLoss);
  std::ofstream(folder_.path() + "/store") << "dcac local store 2\n";
  EXPECT_EQ(open().code(), absl::StatusCode::kFailedPrecondition);
  fs::rename(folder_.path() + "/mark", folder_.path() + "/store");
  fs::remove_all(folder_.path() + "/index");
  fs::rename(folder_.path() + "/elsewhere", folder_.path() + "/index");
  Open();
  EXPECT_EQ(*Get("t/k"), SomeBytes(100'000));
}

TEST_F(LocalStoreTest, AnErrorOfThePathIsNotTakenForAnotherProcess) {
  const std::string folder = folder_.path() + "/lock";
  fs::create_directories(folder);
  std::ofstream(folder + "/index") << "no folder";
  const absl::Status status = OpenLocalStore({.folder = folder, .limits = {}}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable) << status;
}

TEST_F(LocalStoreTest, CutOffUploadsCountAndMakeRoomForOthers) {
  limits_.capacity_bytes = 1'000'000;
  Open();
  const auto cut_off = [&](std::size_t size) {
    auto upload = *store_->Begin({.key = "t/k", .expected_bytes = size, .state = "state"}, {});
    EXPECT_TRUE(upload->Append(AsBytes(SomeBytes(size)), {}).ok());
    return upload->id();
  };
  const auto bytes_of_files = [&] {
    std::uintmax_t bytes = 0;
    for (const fs::path& path : Files()) bytes += fs::file_size(path);
    return bytes;
  };
  std::string last;
  for (int i = 0; i < 10; ++i) {
    clock_.Advance(milliseconds(1000));
    last = cut_off(400'000);
    EXPECT_LE(bytes_of_files(), 1'010'000u);
  }
  EXPECT_GT(store_->Status().reserved_bytes, 300'000u);
  EXPECT_TRUE(store_->Resume(last, "t", {}).ok());
  Open();
  EXPECT_GT(store_->Status().reserved_bytes, 300'000u);
  EXPECT_TRUE(store_->Resume(last, "t", {}).ok());
  ASSERT_TRUE(Put("t/other", SomeBytes(950'000)).ok());
  EXPECT_EQ(store_->Status().reserved_bytes, 0u);
  EXPECT_EQ(store_->Resume(last, "t", {}).status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(Keys(), ElementsAre("t/other"));
}

TEST_F(LocalStoreTest, EmptyBlocksCountToo) {
  limits_.capacity_bytes = 100 * 512;
  Open();
  for (int i = 0; i < 300; ++i) {
    clock_.Advance(milliseconds(1));
    ASSERT_TRUE(Put("t/" + std::to_string(i), "").ok());
  }
  EXPECT_LE(Keys().size(), 101u);
  EXPECT_GE(Keys().size(), 30u);
}

// What blocks of a churn leave in packed files is written anew before it is more than a few times what is there.
TEST_F(LocalStoreTest, PackedPayloadsAreCompacted) {
  limits_.capacity_bytes = 64 << 20;
  sync_ = SyncPolicy::kNone;
  Open();
  for (int i = 0; i < 8'000; ++i) {
    clock_.Advance(milliseconds(1));
    ASSERT_TRUE(Put("t/" + std::to_string(i), SomeBytes(60'000, static_cast<std::uint32_t>(i))).ok());
  }
  std::uintmax_t bytes = 0;
  for (const auto& entry : fs::recursive_directory_iterator(folder_.path() + "/index")) {
    std::error_code gone;  // the index goes on removing files
    const std::uintmax_t size = entry.file_size(gone);
    if (!gone) bytes += size;
  }
  EXPECT_LT(bytes, 5u * limits_.capacity_bytes);
}

}  // namespace
}  // namespace dcac::store
