// A local store on disks that fail, and through crashes of the machine, at every call that changes something.
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <map>
#include <optional>
#include <set>

#include "server/store/conformance.h"
#include "server/store/fault_injection.h"
#include "server/store/local_store.h"
#include "server/store/record.h"

namespace dcac::store {
namespace {

namespace fs = std::filesystem;

class LocalFaultsTest : public ::testing::TestWithParam<Fault> {
 protected:
  void SetUp() override {
    std::string path = ::testing::TempDir() + "/faults.XXXXXX";
    ASSERT_NE(mkdtemp(path.data()), nullptr);
    folder_ = path;
  }
  void TearDown() override {
    store_.reset();
    fs::remove_all(folder_);
  }

  void Open(FileSystem* files, rocksdb::Env* environment) {
    store_.reset();
    LocalStoreOptions options{.folder = folder_ + "/store", .limits = {}};
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

  void Delete(const std::string& key) { Note(key, std::nullopt, store_->Delete({&key, 1}, {}).front()); }

  // What is under a key after a change of it: that alone, if it was acknowledged.
  void Note(const std::string& key, const std::optional<std::string>& content, const absl::Status& status) {
    auto& possible = possible_.try_emplace(key, std::set<std::optional<std::string>>{std::nullopt}).first->second;
    if (absl::IsNotFound(status)) {
      EXPECT_TRUE(possible.contains(std::nullopt)) << key << " was lost";
      return;
    }
    if (status.ok()) possible.clear();
    possible.insert(content);
    if (status.ok()) return;
    EXPECT_TRUE(absl::IsResourceExhausted(status) || absl::IsUnavailable(status)) << status;
    EXPECT_FALSE(status.message().empty());
  }

  void Work() {
    Put("t/small", "ten bytes!");
    Put("t/large", SomeBytes(100'000));
    Put("t/large", SomeBytes(150'000, 2));
    Put("t/small", SomeBytes(4000));
    Put("t/gone", SomeBytes(70'000, 3));
    Delete("t/gone");
    Put("t/kept", SomeBytes(5000, 4));
    Delete("t/small");
  }

  std::optional<std::string> Get(const std::string& key) {
    auto reader = store_->Open(key, {});
    EXPECT_TRUE(reader.ok() || absl::IsNotFound(reader.status())) << key << ": " << reader.status();
    if (!reader.ok()) return std::nullopt;
    std::string bytes((*reader)->info().size_bytes, '\0');
    const absl::Status status = (*reader)->Read(0, std::as_writable_bytes(std::span(bytes)), {});
    EXPECT_TRUE(status.ok()) << key << ": " << status;
    return bytes;
  }

  void CheckBlocks() {
    for (const auto& [key, possible] : possible_) {
      EXPECT_TRUE(possible.contains(Get(key))) << key << " is not what was acknowledged";
    }
  }

  void CheckWhole() {
    CheckBlocks();
    const auto page = store_->List({}, {});
    ASSERT_TRUE(page.ok()) << page.status();
    std::uint64_t stored_bytes = 0;
    std::size_t large = 0;
    for (const BlockInfo& info : page->blocks) {
      EXPECT_TRUE(possible_.contains(info.key)) << info.key;
      stored_bytes += info.size_bytes;
      if (info.size_bytes > 4096) ++large;
    }
    EXPECT_EQ(store_->Status().usage.blocks, page->blocks.size());
    EXPECT_EQ(store_->Status().usage.stored_bytes, stored_bytes);
    EXPECT_EQ(store_->Status().damaged_blocks, 0u);
    EXPECT_EQ(store_->Status().reserved_bytes, 0u);
    std::size_t files = 0;
    for (const auto& entry : fs::recursive_directory_iterator(folder_ + "/store/files")) {
      if (entry.is_regular_file() && entry.path().extension() != ".removed") ++files;
    }
    EXPECT_EQ(files, large);
  }

  // Whether the fault was reached.
  bool RunWithFaultAt(std::uint64_t call) {
    possible_.clear();
    fs::remove_all(folder_ + "/store");
    FaultPlan plan;
    const std::unique_ptr<FileSystem> files = FaultyFileSystem(plan);
    const std::unique_ptr<rocksdb::Env> environment = FaultyEnvironment(plan);
    Open(files.get(), environment.get());
    plan.Arm(GetParam(), call);
    if (HasFatalFailure()) return false;
    Work();
    if (GetParam() != Fault::kCrash) CheckBlocks();
    const bool reached = plan.reached();
    store_.reset();
    if (GetParam() == Fault::kCrash) plan.Forget();
    Open(nullptr, nullptr);
    if (!HasFatalFailure()) CheckWhole();
    return reached;
  }

  std::string folder_;
  std::unique_ptr<BlockStore> store_;
  std::map<std::string, std::set<std::optional<std::string>>> possible_;
};

TEST_P(LocalFaultsTest, LosesNothingThatWasAcknowledged) {
  std::uint64_t call = 1;
  while (RunWithFaultAt(call) && !HasFailure()) ++call;
  EXPECT_FALSE(HasFailure()) << "with a fault at call " << call;
  EXPECT_GT(call, 20u);
}

std::string NameOf(const ::testing::TestParamInfo<Fault>& instance) {
  constexpr const char* kNames[] = {"NoSpace", "IoError", "ShortWrite", "DiskGone", "Crash"};
  return kNames[static_cast<int>(instance.param)];
}

INSTANTIATE_TEST_SUITE_P(Faults, LocalFaultsTest,
                         ::testing::Values(Fault::kNoSpace, Fault::kIoError, Fault::kShortWrite, Fault::kDiskGone,
                                           Fault::kCrash),
                         NameOf);

}  // namespace
}  // namespace dcac::store
