// A local store on disks that fail, and through crashes of the machine, at every call that changes something.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <filesystem>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <ostream>
#include <random>
#include <thread>
#include <vector>

#include "server/store/conformance.h"
#include "server/store/fault_injection.h"
#include "server/store/local_store.h"
#include "server/store/record.h"
#include "server/store/temp_folder.h"
#include "tests/testing/random.h"

namespace dcac::store {
namespace {

namespace fs = std::filesystem;

struct FaultCase {
  const char* name;
  Fault fault;
  SyncPolicy sync;
};

std::ostream& operator<<(std::ostream& out, const FaultCase& fault_case) {
  return out << fault_case.name;
}

class LocalFaultsTest : public ::testing::TestWithParam<FaultCase> {
 protected:
  struct Change {
    std::optional<std::string> content;
    std::optional<std::uint64_t> log_syncs;  // before it was acknowledged
  };

  static bool IsPossible(const std::vector<Change>& changes, const std::optional<std::string>& content) {
    return std::ranges::any_of(changes, [&](const Change& change) { return change.content == content; });
  }

  void Open(SyncPolicy sync, FileSystem* files, rocksdb::Env* environment) {
    store_.reset();
    LocalStoreOptions options{
        .folder = folder_ + "/store", .limits = {}, .sync = sync, .sync_interval = sync_interval_};
    options.files = files;
    options.environment = environment;
    auto store = OpenLocalStore(options);
    ASSERT_TRUE(store.ok()) << store.status();
    store_ = *std::move(store);
  }

  void Put(const std::string& key, const std::string& bytes) {
    const absl::Status status = [&] {
      auto upload = store_->Begin({.key = key, .expected_bytes = bytes.size(), .state = {}}, {});
      if (!upload.ok()) return upload.status();
      if (const absl::Status appended = (*upload)->Append(AsBytes(bytes), {}); !appended.ok()) return appended;
      return (*upload)->Commit({}, {}).status();
    }();
    Note(key, bytes, status);
  }

  // Cut off, and gone on with.
  void PutInTwo(const std::string& key, const std::string& bytes) {
    const std::size_t half = bytes.size() / 2;
    const absl::Status status = [&] {
      std::string id;
      {
        auto upload = store_->Begin({.key = key, .expected_bytes = bytes.size(), .state = "state"}, {});
        if (!upload.ok()) return upload.status();
        id = (*upload)->id();
        if (const absl::Status first = (*upload)->Append(AsBytes(bytes).first(half), {}); !first.ok()) return first;
        // May fail: what is not kept is sent again.  Not of small blocks, which would get files by it.
        if (half > (64u << 10)) {
          static_cast<void>((*upload)->KeepInput(half, std::vector{AsBytes(bytes).subspan(half)}));
        }
      }
      auto upload = store_->Resume(id, "t", {});
      if (!upload.ok()) return absl::UnavailableError(upload.status().message());
      const absl::StatusOr<KeptInput> input = (*upload)->ReadInput({});
      if (input.ok() && !input->bytes.empty()) {
        EXPECT_EQ(input->offset, half);
        EXPECT_TRUE(std::ranges::equal(input->bytes, AsBytes(bytes).subspan(half))) << key;
      }
      const std::uint64_t kept = (*upload)->size_bytes();
      if (const absl::Status rest = (*upload)->Append(AsBytes(bytes).subspan(kept), {}); !rest.ok()) return rest;
      return (*upload)->Commit({}, {}).status();
    }();
    Note(key, bytes, status);
  }

  void Delete(const std::string& key) { Note(key, std::nullopt, store_->Delete({&key, 1}, {}).front()); }

  // What is under a key after a change of it: that alone, if it was acknowledged, and is to outlive what comes.
  void Note(const std::string& key, const std::optional<std::string>& content, const absl::Status& status) {
    const std::lock_guard lock(mutex_);
    auto& changes = changes_.try_emplace(key, std::vector<Change>(1)).first->second;
    if (absl::IsNotFound(status)) {
      EXPECT_TRUE(IsPossible(changes, std::nullopt)) << key << " was lost";
      return;
    }
    if (status.ok() && !forgets_) changes.clear();
    changes.push_back({content, status.ok() && forgets_ ? std::optional(plan_->log_syncs()) : std::nullopt});
    if (status.ok()) return;
    EXPECT_TRUE(absl::IsResourceExhausted(status) || absl::IsUnavailable(status)) << status;
    EXPECT_FALSE(status.message().empty());
  }

  // What was acknowledged before the last sync that ended had begun is not forgotten.
  void NoteDurable() {
    for (auto& [key, changes] : changes_) {
      const auto durable = std::find_if(changes.rbegin(), changes.rend(), [this](const Change& change) {
        return change.log_syncs && *change.log_syncs + 2 <= plan_->log_syncs();
      });
      if (durable == changes.rend()) continue;
      changes.erase(changes.begin(), std::prev(durable.base()));
    }
  }

  // What was there before, and is durable.
  void Prepare() {
    Put("t/small", "before");
    Put("t/large", SomeBytes(90'000, 8));
    Put("t/grows", SomeBytes(30'000, 9));
    Put("t/shrinks", SomeBytes(90'000, 10));
  }

  void Work() {
    Put("t/small", "ten bytes!");
    Put("t/large", SomeBytes(100'000));
    Put("t/large", SomeBytes(150'000, 2));
    Put("t/small", SomeBytes(4000));
    Put("t/grows", SomeBytes(70'000, 11));
    Put("t/shrinks", SomeBytes(700, 12));
    Put("t/gone", SomeBytes(70'000, 3));
    Delete("t/gone");
    PutInTwo("t/kept", SomeBytes(200'000, 4));
    Delete("t/small");
  }

  std::optional<std::string> Get(const std::string& key) {
    auto reader = store_->Open(key, {});
    // Pages of a file that was never durable, and that took the place of none, are missed by who reads it.
    const bool torn = forgets_ && GetParam().fault == Fault::kTornCrash;
    if (torn && absl::IsDataLoss(reader.status())) {
      ++damaged_blocks_;
      return std::nullopt;
    }
    EXPECT_TRUE(reader.ok() || absl::IsNotFound(reader.status())) << key << ": " << reader.status();
    if (!reader.ok()) return std::nullopt;
    std::string bytes((*reader)->info().size_bytes, '\0');
    const absl::Status status = (*reader)->Read(0, std::as_writable_bytes(std::span(bytes)), {});
    if (torn && absl::IsDataLoss(status)) {
      ++damaged_blocks_;
      return std::nullopt;
    }
    EXPECT_TRUE(status.ok()) << key << ": " << status;
    return bytes;
  }

  void CheckBlocks() {
    for (const auto& [key, changes] : changes_) {
      EXPECT_TRUE(IsPossible(changes, Get(key))) << key << " is not what was acknowledged";
    }
  }

  void CheckWhole() {
    CheckBlocks();
    const auto page = store_->List({}, {});
    ASSERT_TRUE(page.ok()) << page.status();
    std::uint64_t stored_bytes = 0;
    std::size_t large = 0;
    for (const BlockInfo& info : page->blocks) {
      EXPECT_TRUE(changes_.contains(info.key)) << info.key;
      stored_bytes += info.size_bytes;
      if (info.size_bytes > (64u << 10)) ++large;
    }
    EXPECT_EQ(store_->Status().usage.blocks, page->blocks.size());
    EXPECT_EQ(store_->Status().usage.stored_bytes, stored_bytes);
    EXPECT_EQ(store_->Status().damaged_blocks, damaged_blocks_);
    const std::size_t uploads = store_->Status().reserved_bytes > 0 ? kMaxUploads : 0;
    std::size_t files = 0;
    for (const auto& entry : fs::recursive_directory_iterator(folder_ + "/store/files")) {
      if (!entry.is_regular_file() || entry.path().extension() == ".removed") continue;
      if (entry.path().extension() == ".input") {
        EXPECT_TRUE(fs::exists(fs::path(entry.path()).replace_extension())) << entry.path() << " has no upload";
        continue;
      }
      ++files;
    }
    EXPECT_GE(files, large);
    EXPECT_LE(files, large + uploads);
  }

  // What the writers replace; the first key of each is never deleted.
  void PrepareWriters() {
    for (std::uint32_t writer = 0; writer < kWriters; ++writer) {
      for (const char* key : {"/0", "/1"}) Put("w" + std::to_string(writer) + key, SomeBytes(writer * 20'000, writer));
    }
  }

  // Changes of the keys of one writer, until the fault.
  void WorkAtRandom(std::uint32_t seed, const FaultPlan& plan) {
    constexpr std::array<std::size_t, 5> kSizes = {100, 5000, 60'000, 70'000, 150'000};
    std::mt19937 random(seed);
    while (!plan.reached()) {
      const auto number = random() % 3;
      const std::string key = "w" + std::to_string(seed % kWriters) + "/" + std::to_string(number);
      const std::string bytes = SomeBytes(kSizes[random() % kSizes.size()], random());
      switch (number == 0 ? 2 : random() % 8) {
        case 0:
          Delete(key);
          break;
        case 1:
          PutInTwo(key, bytes);
          break;
        default:
          Put(key, bytes);
      }
    }
  }

  // With `work` until the fault, and after a restart.  Whether the fault was reached.
  bool RunWithFaultAt(std::uint64_t call, const std::function<void(const FaultPlan&)>& work) {
    const auto& [name, fault, sync] = GetParam();
    changes_.clear();
    damaged_blocks_ = 0;
    forgets_ = false;
    store_.reset();
    fs::remove_all(folder_ + "/store");
    FaultPlan plan;
    plan_ = &plan;
    const std::unique_ptr<FileSystem> files = FaultyFileSystem(plan);
    const std::unique_ptr<rocksdb::Env> environment = FaultyEnvironment(plan);
    Open(sync, files.get(), environment.get());
    if (HasFatalFailure()) return false;
    Prepare();
    PrepareWriters();
    Open(sync, files.get(), environment.get());
    plan.Arm(fault, call);
    if (HasFatalFailure()) return false;
    const bool crash = FaultPlan::IsCrash(fault);
    forgets_ = crash && sync != SyncPolicy::kEach;
    work(plan);
    if (!crash) CheckBlocks();
    const bool reached = plan.reached();
    store_.reset();
    if (crash) NoteDurable();
    if (crash) plan.Forget();
    Open(SyncPolicy::kEach, nullptr, nullptr);
    if (!HasFatalFailure()) CheckWhole();
    return reached;
  }

  static constexpr std::uint32_t kWriters = 8;
  static constexpr std::size_t kMaxUploads = kWriters;

  const TempFolder temp_folder_{MemoryDir()};
  const std::string folder_ = temp_folder_.path();
  std::unique_ptr<BlockStore> store_;
  const FaultPlan* plan_ = nullptr;
  // Syncs only when it closes, so that each run makes the same calls.
  std::chrono::milliseconds sync_interval_ = std::chrono::hours(1);
  std::mutex mutex_;
  std::map<std::string, std::vector<Change>> changes_;
  std::size_t damaged_blocks_ = 0;
  bool forgets_ = false;  // what was acknowledged, but nothing that was there before
};

TEST_P(LocalFaultsTest, LosesNothingThatWasAcknowledged) {
  std::uint64_t call = 1;
  while (RunWithFaultAt(call, [this](const FaultPlan&) { Work(); }) && !HasFailure()) ++call;
  EXPECT_FALSE(HasFailure()) << "with a fault at call " << call;
  EXPECT_GT(call, 20u);
}

TEST_P(LocalFaultsTest, LosesNothingOfWritersAtATime) {
  const auto rounds = static_cast<std::uint32_t>(8 * testing::RoundsFactor());
  testing::Random random(5);
  sync_interval_ = std::chrono::milliseconds(1);
  for (std::uint32_t round = 0; round < rounds && !HasFailure(); ++round) {
    const std::uint64_t call = 1 + random.Below(300);
    const bool reached = RunWithFaultAt(call, [&](const FaultPlan& plan) {
      std::vector<std::jthread> writers;
      for (std::uint32_t i = 0; i < kWriters; ++i) {
        writers.emplace_back([&, i] { WorkAtRandom(round * kWriters + i, plan); });
      }
    });
    EXPECT_TRUE(reached);
    EXPECT_FALSE(HasFailure()) << "in round " << round << " with a fault at call " << call;
  }
}

INSTANTIATE_TEST_SUITE_P(Faults, LocalFaultsTest,
                         ::testing::Values(FaultCase{"NoSpaceEach", Fault::kNoSpace, SyncPolicy::kEach},
                                           FaultCase{"IoErrorEach", Fault::kIoError, SyncPolicy::kEach},
                                           FaultCase{"ShortWriteEach", Fault::kShortWrite, SyncPolicy::kEach},
                                           FaultCase{"DiskGoneEach", Fault::kDiskGone, SyncPolicy::kEach},
                                           FaultCase{"CrashEach", Fault::kCrash, SyncPolicy::kEach},
                                           FaultCase{"TornCrashEach", Fault::kTornCrash, SyncPolicy::kEach},
                                           FaultCase{"NoSpaceInterval", Fault::kNoSpace, SyncPolicy::kInterval},
                                           FaultCase{"IoErrorInterval", Fault::kIoError, SyncPolicy::kInterval},
                                           FaultCase{"DiskGoneInterval", Fault::kDiskGone, SyncPolicy::kInterval},
                                           FaultCase{"CrashInterval", Fault::kCrash, SyncPolicy::kInterval},
                                           FaultCase{"LateCrashInterval", Fault::kLateCrash, SyncPolicy::kInterval},
                                           FaultCase{"TornCrashInterval", Fault::kTornCrash, SyncPolicy::kInterval}),
                         [](const auto& instance) { return instance.param.name; });

}  // namespace
}  // namespace dcac::store
