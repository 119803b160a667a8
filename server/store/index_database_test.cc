#include "server/store/index_database.h"

#include <gtest/gtest.h>
#include <rocksdb/env.h>

#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "server/store/conformance.h"
#include "server/store/fault_injection.h"
#include "server/store/small_disk.h"
#include "server/store/temp_folder.h"

namespace dcac::store {
namespace {

namespace fs = std::filesystem;

class IndexDatabaseTest : public ::testing::TestWithParam<Fault> {
 protected:
  void Open() {
    database_.reset();
    auto database = IndexDatabase::Open(folder(), {.create = true, .environment = environment_.get()});
    ASSERT_TRUE(database.ok()) << database.status();
    database_ = *std::move(database);
  }

  // As a process that is killed leaves it.
  void Kill() {
    const std::string killed = temp_folder_.path() + "/killed";
    fs::copy(folder(), killed);
    database_.reset();
    fs::remove_all(folder());
    fs::rename(killed, folder());
  }

  absl::Status Put(const std::string& key, const std::string& value, bool* in_doubt = nullptr) {
    const std::vector<IndexChange> changes = {{kRecords, key, value}, {kRecency, value, ""}};
    return database_->Write(changes, /*sync=*/true, in_doubt);
  }

  // Values of both families are those of the key's last change that was made.
  void Check(const std::string& key, const std::string& value, const std::string& other_value) {
    const absl::StatusOr<std::string> found = database_->Get(kRecords, key);
    ASSERT_TRUE(found.ok()) << found.status();
    EXPECT_EQ(*found, value);
    EXPECT_TRUE(database_->Get(kRecency, value).ok());
    EXPECT_TRUE(absl::IsNotFound(database_->Get(kRecency, other_value).status()));
  }

  std::string folder() const { return temp_folder_.path() + "/index"; }

  const TempFolder temp_folder_{MemoryDir()};
  FaultPlan plan_;
  const std::unique_ptr<rocksdb::Env> environment_ = FaultyEnvironment(plan_);
  std::unique_ptr<IndexDatabase> database_;
};

// With a fault at every call of a write, and with tables in memory that are empty or not: its changes are not there
// once it is restored, even where all of them had come to the log.
TEST_P(IndexDatabaseTest, AWriteThatFailedIsNotThereForGood) {
  std::size_t failures = 0;
  for (const bool fresh : {false, true}) {
    bool reached = true;
    for (std::uint64_t call = 1; reached; ++call) {
      SCOPED_TRACE(call);
      database_.reset();
      fs::remove_all(folder());
      Open();
      ASSERT_TRUE(Put("key", "before").ok());
      if (fresh) Open();
      plan_.Arm(GetParam(), call);
      bool in_doubt = false;
      const absl::Status status = Put("key", "failed", &in_doubt);
      reached = plan_.reached();
      EXPECT_EQ(status.ok(), !in_doubt);
      if (status.ok()) continue;
      ++failures;
      Check("key", "before", "failed");
      ASSERT_EQ(database_->Restore(), absl::OkStatus());
      Check("key", "before", "failed");
      database_->BoundRewriting(1, 100);  // writes down the options that it was opened with
      ASSERT_EQ(Put("other", "after"), absl::OkStatus());
      Kill();
      Open();
      Check("key", "before", "failed");
      Check("other", "after", "failed");
    }
  }
  EXPECT_GE(failures, 4u);  // of appending to the log and of syncing it
}

TEST_P(IndexDatabaseTest, ReadsGoOnWhileItIsOpenedAnew) {
  Open();
  ASSERT_TRUE(Put("key", "before").ok());
  std::vector<std::jthread> readers;
  for (int i = 0; i < 4; ++i) {
    readers.emplace_back([this](const std::stop_token& stop) {
      while (!stop.stop_requested()) {
        EXPECT_EQ(database_->Get(kRecords, "key").value_or("none"), "before");
        std::string visited;
        const auto visit = [&](std::string_view key, std::string_view) { return visited.append(key).empty(); };
        EXPECT_EQ(database_->ForEach(kRecords, "key", visit), absl::OkStatus());
        EXPECT_EQ(visited, "key");
      }
    });
  }
  int failures = 0;
  for (int round = 0; round < 20; ++round) {
    plan_.Arm(GetParam(), 1);
    // Where the fault meets what goes on in the background, a later write fails, or none.
    absl::Status status;
    for (int i = 0; i < 3; ++i) {
      status = Put("other", "value");
      if (!status.ok()) ++failures;
    }
    ASSERT_EQ(status, absl::OkStatus());
  }
  EXPECT_GT(failures, 0);
}

INSTANTIATE_TEST_SUITE_P(Faults, IndexDatabaseTest,
                         ::testing::Values(Fault::kNoSpace, Fault::kIoError, Fault::kShortWrite),
                         [](const auto& instance) {
                           return instance.param == Fault::kNoSpace   ? "NoSpace"
                                  : instance.param == Fault::kIoError ? "IoError"
                                                                      : "ShortWrite";
                         });

// A killed process left more in the log than tables in memory have and than there is room for on the disk.
TEST(FullIndexDatabaseTest, OpensWithoutRoomForWhatIsInTheLog) {
  const TempFolder temp_folder(MemoryDir());
  const std::string written = temp_folder.path() + "/written", folder = temp_folder.path() + "/index";
  SmallDisk disk(temp_folder.path(), std::uint64_t{8} << 20);
  const std::unique_ptr<rocksdb::Env> environment = SmallEnvironment(disk);
  constexpr std::size_t kValueBytes = 60'000;
  constexpr int kValues = 10;
  {
    auto database = IndexDatabase::Open(written, {.create = true, .environment = environment.get()});
    ASSERT_TRUE(database.ok()) << database.status();
    for (int i = 0; i < kValues; ++i) {
      const IndexChange change{kPayloads, std::to_string(i), std::string(kValueBytes, static_cast<char>('a' + i))};
      ASSERT_EQ((*database)->Write({&change, 1}, /*sync=*/true, nullptr), absl::OkStatus());
    }
    fs::copy(written, folder);  // as if it was killed here
  }
  fs::remove_all(written);
  constexpr std::uint64_t kRoom = 96 << 10;
  disk.FillWithOthers(disk.space().available_bytes - kRoom);
  auto database = IndexDatabase::Open(folder, {.log_bytes = 4 * kValueBytes, .environment = environment.get()});
  ASSERT_TRUE(database.ok()) << database.status();
  for (int i = 0; i < kValues; ++i) {
    const absl::StatusOr<std::string> found = (*database)->Get(kPayloads, std::to_string(i));
    ASSERT_TRUE(found.ok()) << found.status();
    EXPECT_EQ(*found, std::string(kValueBytes, static_cast<char>('a' + i)));
  }
}

}  // namespace
}  // namespace dcac::store
