// A server that is killed at random moments under eight writers: nothing that was acknowledged is lost, nothing else is
// there, usage is that of what is there, and no file is left over.
#include <gtest/gtest.h>
#include <signal.h>

#include <array>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <iostream>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "server/store/local_store.h"
#include "tests/integration/server_process.h"
#include "tests/integration/store_calls.h"
#include "tests/integration/store_ledger.h"
#include "tests/testing/random.h"

namespace dcac::testing {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kWriters = 8;
constexpr std::size_t kKeysOfWriter = 6;
constexpr std::uint64_t kRounds = 20;
// What a local store packs with others; anything larger is a file.
constexpr std::uint64_t kMaxPackedBytes = std::uint64_t{64} << 10;

// An upload that was broken off.
struct Broken {
  std::string key;
  std::string upload_id;
  std::size_t content = 0;
};

class StoreCrashTest : public ::testing::TestWithParam<const char*> {
 protected:
  void Start() {
    server_ = std::make_unique<ServerProcess>(
        std::vector<std::string>{"--listen=" + address_, "--threads=2", "--log-level=error",
                                 "--store=local:" + folder_.File("store"), std::string("--store-fsync=") + GetParam(),
                                 "--store-fsync-interval=50ms", "--store-upload-ttl=" + upload_ttl_});
    ASSERT_NE(server_->first_line().find("listening"), std::string::npos) << server_->first_line();
  }

  // Until the server dies.
  void Write(std::size_t writer, std::uint64_t round) {
    const StoreClient client(address_);
    Random random(1000 + round * kWriters + writer);
    while (!killed_) {
      const std::string key = "w" + std::to_string(writer) + "/" + std::to_string(random.Below(kKeysOfWriter));
      const grpc::Status status = random.OneIn(5) ? ledger_.Delete(client, key) : Put(client, key, writer, random);
      if (status.ok()) {
        ++acknowledged_;
      } else if (!killed_) {
        ADD_FAILURE() << key << ": " << status.error_message();
        return;
      }
    }
  }

  grpc::Status Put(const StoreClient& client, const std::string& key, std::size_t writer, Random& random) {
    std::size_t index = random.Below(contents_.size());
    const bool as_tensor = random.OneIn(4);
    const bool breaks_off = !as_tensor && random.OneIn(4);
    v1::PutHeader header;
    std::uint64_t begin = 0;
    std::string name = key;
    if (broken_[writer] && !breaks_off) {
      // What was broken off, by the kill or before it, is gone on with where it is still known.
      const Broken broken = *std::exchange(broken_[writer], std::nullopt);
      if (client.QueryUpload(broken.upload_id, &begin).ok()) {
        name = broken.key;
        index = broken.content;
        header.set_upload_id(broken.upload_id);
      }
    }
    const StoreContent& content = contents_[index];
    const bool frame = !as_tensor || !header.upload_id().empty();
    const std::string upload_id = header.upload_id();
    header = frame ? FrameHeader(name, content.frame.size()) : TensorHeader(name, content.tensor.spec);
    header.set_upload_id(upload_id);
    const Bytes& input = frame ? content.frame : content.tensor.data;
    if (breaks_off) {
      const PutOutcome outcome = client.Put(header, std::span(input).first(input.size() / 2), 0, /*end=*/false);
      // A small object would lie in a file, and not be told from one that nothing names: its upload is left.
      if (!outcome.upload_id.empty() && input.size() > kMaxPackedBytes)
        broken_[writer] = Broken{name, outcome.upload_id, index};
      return outcome.upload_id.empty() ? outcome.status : grpc::Status::OK;
    }
    ledger_.Begin(name, index);
    const PutOutcome outcome = client.Put(header, input, begin);
    if (outcome.status.ok()) ledger_.Acknowledge(name, index);
    return outcome.status;
  }

  // What is under a key; a value that no content has: something else.
  StoreLedger::Content Read(const StoreClient& client, const std::string& key) const {
    const GetOutcome got = client.Get(key);
    if (got.status.error_code() == grpc::StatusCode::NOT_FOUND) return std::nullopt;
    EXPECT_TRUE(got.status.ok()) << key << ": " << got.status.error_message();
    return got.status.ok() ? NumberOf(contents_, got.bytes) : contents_.size();
  }

  // After a restart.  Gives how many objects lie in files.
  std::size_t Check() {
    const StoreClient client(address_);
    v1::ListRequest request;
    request.set_page_size(1000);
    v1::ListResponse listed;
    EXPECT_TRUE(client.Call(&v1::ActivationStoreService::Stub::List, request, &listed).ok());
    std::set<std::string> keys;
    std::uint64_t stored_bytes = 0;
    std::size_t in_files = 0;
    for (const v1::StoredObject& object : listed.objects()) {
      keys.insert(object.key());
      stored_bytes += object.stored_bytes();
      in_files += object.stored_bytes() > kMaxPackedBytes ? 1 : 0;
    }
    for (const std::string& key : ledger_.Keys()) {
      const StoreLedger::Content content = Read(client, key);
      EXPECT_TRUE(ledger_.Settle(key, content)) << key << " is not what was acknowledged";
      EXPECT_EQ(keys.contains(key), content.has_value()) << key;
      keys.erase(key);
    }
    EXPECT_TRUE(keys.empty()) << *keys.begin() << " was never put";
    v1::GetUsageResponse usage;
    EXPECT_TRUE(client.Call(&v1::ActivationStoreService::Stub::GetUsage, v1::GetUsageRequest(), &usage).ok());
    EXPECT_EQ(usage.objects(), static_cast<std::uint64_t>(listed.objects_size()));
    EXPECT_EQ(usage.stored_bytes(), stored_bytes);
    return in_files;
  }

  std::size_t Files() const {
    std::size_t files = 0;
    for (const auto& entry : fs::recursive_directory_iterator(folder_.File("store") + "/files")) {
      files += entry.is_regular_file() ? 1 : 0;
    }
    return files;
  }

  const TempFolder folder_;
  const std::string address_ = "unix:" + folder_.File("socket");
  const std::vector<StoreContent> contents_ = StoreContents();
  std::string upload_ttl_ = "1h";
  std::unique_ptr<ServerProcess> server_;
  StoreLedger ledger_;
  std::array<std::optional<Broken>, kWriters> broken_;
  std::atomic<bool> killed_{false};
  std::atomic<std::uint64_t> acknowledged_{0};
};

TEST_P(StoreCrashTest, LosesNothingWhenItIsKilled) {
  Random random(2);
  const std::uint64_t rounds = kRounds * RoundsFactor();
  for (std::uint64_t round = 0; round < rounds && !HasFailure(); ++round) {
    Start();
    Check();
    killed_ = false;
    std::vector<std::jthread> writers;
    for (std::size_t i = 0; i < kWriters; ++i) writers.emplace_back([this, i, round] { Write(i, round); });
    std::this_thread::sleep_for(std::chrono::milliseconds(random.Below(400)));
    killed_ = true;
    server_->Signal(SIGKILL);
    server_->Wait();
  }
  // Uploads that nobody goes on with are due at once now.
  upload_ttl_ = "1s";
  Start();
  const std::size_t in_files = Check();
  EXPECT_TRUE(Eventually([&] { return Files() == in_files; })) << Files() << " files of " << in_files << " objects";
  server_->Signal(SIGTERM);
  EXPECT_EQ(server_->Wait(), 0);
  const auto store = store::OpenLocalStore({.folder = folder_.File("store"), .limits = {}});
  ASSERT_TRUE(store.ok()) << store.status();
  EXPECT_EQ((*store)->Status().reserved_bytes, 0u);
  EXPECT_EQ((*store)->Status().damaged_blocks, 0u);
  std::cout << rounds << " rounds, " << acknowledged_ << " changes acknowledged\n";
}

INSTANTIATE_TEST_SUITE_P(Policies, StoreCrashTest, ::testing::Values("each", "interval"),
                         [](const auto& instance) { return std::string(instance.param); });

}  // namespace
}  // namespace dcac::testing
