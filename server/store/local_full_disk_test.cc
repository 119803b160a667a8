// A local store on a disk that is full: puts are refused, all else goes on, and puts do by themselves when there is
// room.
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <map>
#include <random>
#include <thread>
#include <utility>

#include "core/base/status_macros.h"
#include "server/store/conformance.h"
#include "server/store/local_store.h"
#include "server/store/record.h"
#include "server/store/small_disk.h"
#include "server/store/temp_folder.h"

namespace dcac::store {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kDiskBytes = std::uint64_t{8} << 20;
constexpr std::size_t kInIndex = 60'000, kInFile = 200'000;

class LocalFullDiskTest : public ::testing::Test {
 protected:
  absl::Status TryOpen() {
    store_.reset();
    LocalStoreOptions options{.folder = folder_, .limits = {}, .sync = sync_};
    options.files = files_.get();
    options.environment = environment_.get();
    DCAC_ASSIGN_OR_RETURN(store_, OpenLocalStore(options));
    return absl::OkStatus();
  }

  void Open() { ASSERT_EQ(TryOpen(), absl::OkStatus()); }

  // As a process that is killed leaves it.  Nothing may change in the background while it is copied.
  void Kill() {
    const std::string killed = temp_folder_.path() + "/killed";
    for (std::string before = Files(), after; before != after;) {
      std::error_code gone;
      fs::remove_all(killed);
      fs::copy(folder_, killed, fs::copy_options::recursive, gone);
      after = std::exchange(before, Files());
      if (gone) after.clear();
    }
    store_.reset();
    fs::remove_all(folder_);
    fs::rename(killed, folder_);
  }

  // Their names and sizes.
  std::string Files() const {
    std::string files;
    std::error_code error;
    for (fs::recursive_directory_iterator it(folder_, error), end; !error && it != end; it.increment(error)) {
      std::error_code gone;
      if (it->is_regular_file(gone)) files += it->path().string() + " " + std::to_string(it->file_size(gone)) + "\n";
    }
    return files;
  }

  absl::Status Put(const std::string& key, std::size_t size) {
    const std::string bytes = SomeBytes(size, static_cast<std::uint32_t>(std::hash<std::string>()(key)));
    const absl::Status status = [&] {
      auto upload = store_->Begin({.key = key, .expected_bytes = bytes.size(), .state = {}}, {});
      if (!upload.ok()) return upload.status();
      if (const absl::Status appended = (*upload)->Append(AsBytes(bytes), {}); !appended.ok()) return appended;
      return (*upload)->Commit({}, {}).status();
    }();
    if (status.ok()) blocks_[key] = size;
    return status;
  }

  absl::Status Delete(const std::string& key) {
    const absl::Status status = store_->Delete({&key, 1}, {}).front();
    if (status.ok()) blocks_.erase(key);
    return status;
  }

  void DeleteEverySecond() {
    bool removes = false;
    for (const auto& [key, size] : std::map(blocks_)) {
      removes = !removes;
      if (removes) {
        EXPECT_EQ(Delete(key), absl::OkStatus()) << key;
      }
    }
  }

  // Until one is refused for want of room.
  void PutUntilFull(const std::string& prefix, std::size_t size) {
    for (int i = 0;; ++i) {
      const absl::Status status = Put(prefix + std::to_string(i), size);
      if (status.ok()) continue;
      EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
      EXPECT_GT(i, 0);
      return;
    }
  }

  void CheckBlocks() {
    for (const auto& [key, size] : blocks_) {
      auto reader = store_->Open(key, {});
      ASSERT_TRUE(reader.ok()) << key << ": " << reader.status();
      std::string bytes((*reader)->info().size_bytes, '\0');
      ASSERT_TRUE((*reader)->Read(0, std::as_writable_bytes(std::span(bytes)), {}).ok()) << key;
      EXPECT_EQ(bytes, SomeBytes(size, static_cast<std::uint32_t>(std::hash<std::string>()(key)))) << key;
    }
    EXPECT_EQ(store_->Status().usage.blocks, blocks_.size());
  }

  // What the server does every few seconds, until a put is taken again.
  void ExpectPutsGoOn() {
    absl::Status status;
    for (int i = 0; i < 3000; ++i) {
      status = store_->Maintain({});
      if (status.ok()) status = Put("t/again", kInFile);
      if (status.ok()) status = Put("t/again-small", kInIndex);
      if (status.ok()) return;
      std::this_thread::sleep_for(std::chrono::milliseconds(20));  // for what the index does in the background
    }
    FAIL() << status;
  }

  const TempFolder temp_folder_{MemoryDir()};
  const std::string folder_ = temp_folder_.path() + "/store";
  SmallDisk disk_{folder_, kDiskBytes};
  const std::unique_ptr<FileSystem> files_ = SmallFileSystem(disk_);
  const std::unique_ptr<rocksdb::Env> environment_ = SmallEnvironment(disk_);
  SyncPolicy sync_ = SyncPolicy::kEach;
  std::unique_ptr<BlockStore> store_;
  std::map<std::string, std::size_t> blocks_;
};

TEST_F(LocalFullDiskTest, DeletesGoOnAndMakeRoomForPuts) {
  Open();
  PutUntilFull("t/file", kInFile);
  PutUntilFull("t/small", kInIndex);
  for (int i = 0; i < 50; ++i) EXPECT_TRUE(absl::IsResourceExhausted(Put("t/more", kInIndex)));
  CheckBlocks();
  for (const auto& [key, size] : std::map(blocks_)) EXPECT_EQ(Delete(key), absl::OkStatus()) << key;
  ExpectPutsGoOn();
  CheckBlocks();
}

TEST_F(LocalFullDiskTest, OthersTakeAllOfIt) {
  Open();
  for (int i = 0; i < 20; ++i) {
    const absl::Status status = Put("t/" + std::to_string(i), i % 2 == 0 ? kInIndex : kInFile);
    ASSERT_TRUE(status.ok()) << i << ": " << status;
  }
  disk_.FillWithOthers(SmallDisk::kAll);
  EXPECT_TRUE(absl::IsResourceExhausted(Put("t/more", kInFile)));
  EXPECT_TRUE(absl::IsResourceExhausted(Put("t/more", 10)));
  // There may be no room for as much as the word that something is gone.
  for (int i = 0; i < 10; ++i) {
    const absl::Status status = Delete("t/" + std::to_string(i));
    EXPECT_TRUE(status.ok() || absl::IsResourceExhausted(status)) << status;
    static_cast<void>(store_->Maintain({}));
    CheckBlocks();
  }
  disk_.FillWithOthers(0);
  ExpectPutsGoOn();
  CheckBlocks();
  Kill();
  Open();
  CheckBlocks();
}

TEST_F(LocalFullDiskTest, StartsWhereItIsFullItself) {
  Open();
  PutUntilFull("t/small", kInIndex);
  Kill();
  Open();
  ASSERT_FALSE(HasFatalFailure());
  CheckBlocks();
  for (const auto& [key, size] : std::map(blocks_)) EXPECT_EQ(Delete(key), absl::OkStatus()) << key;
  ExpectPutsGoOn();
}

TEST_F(LocalFullDiskTest, AStartWithoutAnyRoomLosesNothing) {
  Open();
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(Put("t/" + std::to_string(i), kInIndex).ok());
  Kill();
  disk_.FillWithOthers(SmallDisk::kAll);
  EXPECT_TRUE(absl::IsResourceExhausted(TryOpen()));
  disk_.FillWithOthers(0);
  Open();
  ASSERT_FALSE(HasFatalFailure());
  CheckBlocks();
}

// A killed process left more in the log than there is room for in tables.
TEST_F(LocalFullDiskTest, StartsWithoutRoomForTables) {
  Open();
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(Put("t/" + std::to_string(i), kInIndex).ok());
  Kill();
  disk_.FillWithOthers(disk_.space().available_bytes - (96u << 10));
  Open();
  ASSERT_FALSE(HasFatalFailure());
  CheckBlocks();
  EXPECT_TRUE(absl::IsResourceExhausted(Put("t/more", 10)));
  EXPECT_EQ(Delete("t/0"), absl::OkStatus());
  Kill();
  Open();
  ASSERT_FALSE(HasFatalFailure());
  CheckBlocks();
  disk_.FillWithOthers(0);
  ExpectPutsGoOn();
  PutUntilFull("t/more", kInIndex);
  CheckBlocks();
}

// Of a small disk the store itself leaves no more: the index is not to wait for what does not come.
TEST_F(LocalFullDiskTest, AFailedIndexGoesOnWithLittleRoom) {
  Open();
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(Put("t/" + std::to_string(i), 100).ok());
  disk_.FillWithOthers(SmallDisk::kAll);
  EXPECT_TRUE(absl::IsResourceExhausted(Delete("t/0")));
  disk_.FillWithOthers(0);
  disk_.FillWithOthers(disk_.space().available_bytes - (256u << 10));
  EXPECT_EQ(store_->Maintain({}), absl::OkStatus());
  EXPECT_EQ(Delete("t/1"), absl::OkStatus());
  CheckBlocks();
}

// Deletes among puts: what writes packed payloads anew, to give back what
// deleted ones took, needs room itself.
TEST_F(LocalFullDiskTest, DeletesGoOnWhileItStaysFull) {
  sync_ = SyncPolicy::kNone;
  Open();
  constexpr std::size_t kSmall = 20'000;
  PutUntilFull("t/", kSmall);
  const auto count = static_cast<std::uint32_t>(blocks_.size());
  std::mt19937 random(3);
  std::uint32_t puts = 0;
  for (std::uint32_t i = 0; i < 4 * count; ++i) {
    if (Put("t/" + std::to_string(count + i), kSmall).ok()) {
      ++puts;
    } else {
      const std::string key = std::next(blocks_.begin(), random() % blocks_.size())->first;
      ASSERT_EQ(Delete(key), absl::OkStatus()) << "after " << i << " changes";
    }
    ASSERT_GT(blocks_.size(), count / 2) << "what was deleted makes no room for puts";
    if (i % 20 == 0) {
      ASSERT_EQ(store_->Maintain({}), absl::OkStatus());
    }
  }
  EXPECT_GT(puts, count / 4);
  CheckBlocks();
}

// What was deleted before a restart is as much room as what is deleted after it.
TEST_F(LocalFullDiskTest, ARestartForgetsNoRoomThatIsToBeGivenBack) {
  sync_ = SyncPolicy::kNone;
  Open();
  PutUntilFull("t/", kInIndex);
  DeleteEverySecond();
  Open();
  const std::uint64_t before = disk_.space().available_bytes;
  for (int i = 0; i < 5; ++i) EXPECT_EQ(store_->Maintain({}), absl::OkStatus());
  EXPECT_GT(disk_.space().available_bytes, before + 4 * kInIndex);
  CheckBlocks();
}

// Others take all the room at some moment while it is given back, and leave.
TEST_F(LocalFullDiskTest, RoomIsGivenBackAfterThereWasNoneToDoItWith) {
  sync_ = SyncPolicy::kNone;
  for (const int delay : {1, 3}) {
    SCOPED_TRACE(delay);
    store_.reset();
    fs::remove_all(folder_);
    blocks_.clear();
    Open();
    PutUntilFull("t/", kInIndex);
    DeleteEverySecond();
    std::jthread others([this, delay] {
      std::this_thread::sleep_for(std::chrono::microseconds(400 * delay));
      disk_.FillWithOthers(SmallDisk::kAll);
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    });
    static_cast<void>(store_->Maintain({}));
    others.join();
    disk_.FillWithOthers(0);
    ExpectPutsGoOn();
    CheckBlocks();
  }
}

// Room that comes and goes under whatever the index does at that moment.
TEST_F(LocalFullDiskTest, SurvivesRoomThatComesAndGoes) {
  for (const SyncPolicy sync : {SyncPolicy::kEach, SyncPolicy::kInterval, SyncPolicy::kNone}) {
    sync_ = sync;
    Open();
    std::jthread others([this](const std::stop_token& stop) {
      std::mt19937 random(7);
      while (!stop.stop_requested()) {
        disk_.FillWithOthers(random() % 2 == 0 ? SmallDisk::kAll : random() % kDiskBytes);
        std::this_thread::sleep_for(std::chrono::milliseconds(random() % 8));
      }
    });
    std::mt19937 random(9);
    for (int i = 0; i < 80; ++i) {
      const std::string key = "t/" + std::to_string(random() % 40);
      const bool removes = random() % 2 == 0;
      const absl::Status status = removes ? Delete(key) : Put(key, random() % 4 == 0 ? kInFile : kInIndex);
      // Unavailable: others took the room with which the index was to be opened anew, at that very moment.
      const bool failed = absl::IsResourceExhausted(status) || absl::IsUnavailable(status);
      EXPECT_TRUE(status.ok() || failed || absl::IsNotFound(status)) << status;
      // It may have been done or not.
      if (failed) blocks_.erase(key);
      if (i % 50 == 0) static_cast<void>(store_->Maintain({}));
    }
    others.request_stop();
    others.join();
    disk_.FillWithOthers(0);
    ExpectPutsGoOn();
    for (const auto& [key, size] : blocks_) EXPECT_TRUE(store_->Open(key, {}).ok()) << key;
    Kill();
    Open();
    for (const auto& [key, size] : blocks_) EXPECT_TRUE(store_->Open(key, {}).ok()) << key;
  }
}

}  // namespace
}  // namespace dcac::store
