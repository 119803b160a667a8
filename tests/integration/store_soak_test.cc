// A server whose store is full all the time, under puts, gets, deletions and times to live that end, with the scrubber
// on: no error but that what was evicted is not there, no other bytes, exact usage, and memory that does not grow.
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <fstream>
#include <iostream>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "tests/integration/server_process.h"
#include "tests/integration/store_calls.h"
#include "tests/integration/store_ledger.h"
#include "tests/testing/random.h"

namespace dcac::testing {
namespace {

constexpr std::size_t kClients = 6;
constexpr std::uint64_t kKeysOfClient = 300;
constexpr std::uint64_t kCapacityBytes = std::uint64_t{96} << 20;
// DCAC_TEST_ROUNDS=60 for the ten minutes that a release is tested with.
constexpr std::chrono::seconds kDuration{10};
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr std::uint64_t kMaxGrowthBytes = ~std::uint64_t{0};  // freed memory is kept to find uses of it
#else
constexpr std::uint64_t kMaxGrowthBytes = std::uint64_t{48} << 20;
#endif

class StoreSoakTest : public ::testing::Test {
 protected:
  void Work(std::uint64_t number) {
    const StoreClient client(address_);
    Random random(5000 + number);
    std::map<std::string, std::size_t> put;
    while (!done_) {
      const std::string key = "c" + std::to_string(number) + "/" + std::to_string(random.Below(kKeysOfClient));
      grpc::Status status;
      if (random.OneIn(8)) {
        v1::DeleteRequest request;
        request.set_key(key);
        v1::DeleteResponse response;
        status = client.Call(&v1::ActivationStoreService::Stub::Delete, request, &response);
        put.erase(key);
      } else if (random.OneIn(2) && put.contains(key)) {
        const GetOutcome got = client.Get(key);
        status = got.status;
        EXPECT_TRUE(!status.ok() || NumberOf(contents_, got.bytes) == put[key]) << key << " has other bytes";
      } else {
        const std::size_t index = random.Below(contents_.size());
        v1::PutHeader header = FrameHeader(key, contents_[index].frame.size());
        if (random.OneIn(3)) header.mutable_ttl()->set_seconds(random.Int(1, 4));
        status = client.Put(header, contents_[index].frame).status;
        if (status.ok()) put[key] = index;
      }
      ++calls_;
      // Evicted, expired or never put.
      if (status.error_code() == grpc::StatusCode::NOT_FOUND) ++not_found_;
      EXPECT_TRUE(status.ok() || status.error_code() == grpc::StatusCode::NOT_FOUND)
          << key << ": " << status.error_message();
    }
  }

  std::uint64_t ResidentBytes() const {
    std::ifstream statm("/proc/" + std::to_string(server_.pid()) + "/statm");
    std::uint64_t size_pages = 0, resident_pages = 0;
    EXPECT_TRUE(statm >> size_pages >> resident_pages);
    return resident_pages * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
  }

  // The largest of a time.
  std::uint64_t WatchMemory(std::chrono::milliseconds duration) const {
    std::uint64_t most = 0;
    for (const auto end = std::chrono::steady_clock::now() + duration; std::chrono::steady_clock::now() < end;) {
      most = std::max(most, ResidentBytes());
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    return most;
  }

  v1::GetUsageResponse Usage(const StoreClient& client) const {
    v1::GetUsageResponse usage;
    EXPECT_TRUE(client.Call(&v1::ActivationStoreService::Stub::GetUsage, v1::GetUsageRequest(), &usage).ok());
    return usage;
  }

  const TempFolder folder_;
  const std::string address_ = "unix:" + folder_.File("socket");
  const std::vector<StoreContent> contents_ = StoreContents();
  const ServerProcess server_{{"--listen=" + address_, "--threads=2", "--log-level=error",
                               "--store=local:" + folder_.File("store"), "--store-fsync=interval",
                               "--store-capacity-bytes=" + std::to_string(kCapacityBytes),
                               "--store-scrub-bytes-per-second=256MiB"}};
  std::atomic<bool> done_{false};
  std::atomic<std::uint64_t> calls_{0}, not_found_{0};
};

TEST_F(StoreSoakTest, StaysFullAndInOrder) {
  ASSERT_NE(server_.first_line().find("listening"), std::string::npos) << server_.first_line();
  const StoreClient client(address_);
  std::uint64_t before = 0, after = 0;
  {
    std::vector<std::jthread> clients;
    for (std::size_t i = 0; i < kClients; ++i) clients.emplace_back([this, i] { Work(i); });
    const std::chrono::milliseconds quarter = kDuration * RoundsFactor() / 4;
    WatchMemory(quarter);
    before = WatchMemory(quarter);
    WatchMemory(quarter);
    after = WatchMemory(quarter);
    EXPECT_LE(Usage(client).stored_bytes(), kCapacityBytes);
    done_ = true;
  }
  EXPECT_LE(after, before + std::min(kMaxGrowthBytes, ~std::uint64_t{0} - before));
  // All that is to expire does, so that what is listed is what is counted.
  std::uint64_t objects = 0, stored_bytes = 0;
  EXPECT_TRUE(Eventually([&] {
    v1::ListRequest request;
    request.set_page_size(10'000);
    v1::ListResponse listed;
    if (!client.Call(&v1::ActivationStoreService::Stub::List, request, &listed).ok()) return false;
    objects = static_cast<std::uint64_t>(listed.objects_size());
    stored_bytes = 0;
    for (const v1::StoredObject& object : listed.objects()) stored_bytes += object.stored_bytes();
    const v1::GetUsageResponse usage = Usage(client);
    return usage.objects() == objects && usage.stored_bytes() == stored_bytes;
  })) << objects
      << " objects of " << stored_bytes << " bytes are listed";
  v1::ScrubResponse scrubbed;
  EXPECT_TRUE(client.Call(&v1::ActivationStoreService::Stub::Scrub, v1::ScrubRequest(), &scrubbed).ok());
  EXPECT_EQ(scrubbed.damaged_keys_size(), 0);
  EXPECT_GT(not_found_, 0u) << "nothing was evicted";
  server_.Signal(SIGTERM);
  std::cout << calls_ << " calls, " << objects << " objects at the end, resident bytes " << before << ", then " << after
            << "\n";
}

}  // namespace
}  // namespace dcac::testing
