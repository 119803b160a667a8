// Three servers on one bucket, that of AWS_ENDPOINT_URL and S3_BUCKET: objects are put, fetched and deleted through all
// of them while one is killed, and the S3 store is hurt.
#include <gtest/gtest.h>
#include <signal.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "dcac/codec.h"
#include "server/store/record.h"
#include "tests/integration/server_process.h"
#include "tests/integration/store_calls.h"
#include "tests/integration/store_ledger.h"
#include "tests/testing/random.h"

namespace dcac::testing {
namespace {

constexpr std::size_t kServers = 3;
constexpr std::size_t kKilled = 2;  // which of them
constexpr std::size_t kWriters = 6;
constexpr std::size_t kReaders = 2;
constexpr std::size_t kKeysOfWriter = 5;
constexpr std::uint64_t kChangesOfWriter = 50;
constexpr std::size_t kRacers = 8;
constexpr std::uint64_t kRaces = 12;

std::string Variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

// With one that has parts in the bucket.
std::vector<StoreContent> ContentsWithALargeOne() {
  std::vector<StoreContent> contents = StoreContents();
  StoreContent& large = contents.emplace_back();
  large.tensor.spec = TensorSpec{.dtype = DType::kU8, .shape = {10'000'000}};
  large.tensor.data.resize(10'000'000);
  Random random(3);
  for (std::byte& byte : large.tensor.data) byte = static_cast<std::byte>(random.Bits());
  large.frame = Compress(large.tensor.spec, large.tensor.data).value();
  return contents;
}

class S3ServersTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (Variable("AWS_ENDPOINT_URL").empty()) GTEST_SKIP() << "no S3 server in AWS_ENDPOINT_URL and S3_BUCKET";
    for (std::size_t i = 0; i < kServers; ++i) Start(i);
  }

  std::string Address(std::size_t server) const { return "unix:" + folder_.File("socket" + std::to_string(server)); }

  void Start(std::size_t server) {
    servers_[server] = std::make_unique<ServerProcess>(std::vector<std::string>{
        "--listen=" + Address(server), "--threads=2", "--log-level=error", "--store=" + place_});
    ASSERT_NE(servers_[server]->first_line().find("listening"), std::string::npos) << servers_[server]->first_line();
  }

  // Whether a call may fail: what was asked of the server that is killed, or while the S3 store is hurt.
  bool MayFail(std::size_t server) const { return (server == kKilled && killing_) || hurt_; }

  void Write(std::size_t writer) {
    const std::array<StoreClient, kServers> clients = Clients();
    Random random(2000 + writer);
    std::uint64_t generation = 0;
    for (std::uint64_t i = 0; i < kChangesOfWriter * RoundsFactor(); ++i) {
      const std::size_t server = random.Below(kServers);
      const std::string key = "w" + std::to_string(writer) + "/" + std::to_string(generation) + "/" +
                              std::to_string(random.Below(kKeysOfWriter));
      const grpc::Status status =
          random.OneIn(5) ? ledger_.Delete(clients[server], key) : Put(clients, server, key, random);
      ++changes_;
      if (status.ok()) {
        ++acknowledged_;
        continue;
      }
      // What a dead server has sent may arrive later than what is put next: its keys are left alone.
      ++generation;
      EXPECT_TRUE(MayFail(server)) << key << ": " << status.error_message();
    }
  }

  grpc::Status Put(const std::array<StoreClient, kServers>& clients, std::size_t server, const std::string& key,
                   Random& random) {
    const std::size_t index = random.Below(random.OneIn(4) ? contents_.size() : contents_.size() / 2);
    const StoreContent& content = contents_[index];
    ledger_.Begin(key, index);
    PutOutcome outcome;
    if (random.OneIn(4)) {
      outcome = clients[server].Put(TensorHeader(key, content.tensor.spec), content.tensor.data);
    } else if (random.OneIn(4)) {
      outcome = PutInTwoPieces(clients, server, FrameHeader(key, content.frame.size()), content.frame);
    } else {
      outcome = clients[server].Put(FrameHeader(key, content.frame.size()), content.frame);
    }
    if (outcome.status.ok()) ledger_.Acknowledge(key, index);
    return outcome.status;
  }

  // Breaks off at another server, so that this one goes on with it, once the other has let go of it.
  PutOutcome PutInTwoPieces(const std::array<StoreClient, kServers>& clients, std::size_t server, v1::PutHeader header,
                            const Bytes& frame) const {
    const std::span<const std::byte> half = std::span(frame).first(frame.size() / 2);
    const PutOutcome broken = clients[(server + 1) % 2].Put(header, half, 0, /*end=*/false);
    std::uint64_t begin = 0;
    grpc::Status status;
    do {
      status = clients[server].QueryUpload(broken.upload_id, &begin);
    } while (status.ok() && begin < half.size() && !hurt_);
    if (status.ok() && begin == half.size()) header.set_upload_id(broken.upload_id);
    return clients[server].Put(header, frame, header.upload_id().empty() ? 0 : begin);
  }

  // What is under a key; a value that no content has: something else.  Nothing: the call failed.
  std::optional<StoreLedger::Content> Read(const StoreClient& client, const std::string& key) const {
    const GetOutcome got = client.Get(key);
    if (got.status.error_code() == grpc::StatusCode::NOT_FOUND) return StoreLedger::Content();
    if (!got.status.ok()) {
      last_error_ = got.status.error_message();
      return std::nullopt;
    }
    return NumberOf(contents_, got.bytes);
  }

  // Until the writers are done: whatever is there is whole.
  void ReadOn(std::size_t reader) {
    const std::array<StoreClient, kServers> clients = Clients();
    Random random(3000 + reader);
    while (!done_) {
      const std::size_t server = random.Below(kServers);
      const std::set<std::string> listed = List(clients[server]);
      for (const std::string& key : listed) {
        const auto content = Read(clients[server], key);
        EXPECT_TRUE(content || MayFail(server)) << key << ": " << last_error_;
        EXPECT_NE(content, StoreLedger::Content(contents_.size())) << key << " is nothing that was put";
        ++reads_;
        if (done_) return;
      }
    }
  }

  std::set<std::string> List(const StoreClient& client) const {
    std::set<std::string> keys;
    v1::ListRequest request;
    request.set_page_size(1000);
    v1::ListResponse response;
    do {
      if (!client.Call(&v1::ActivationStoreService::Stub::List, request, &response).ok()) return keys;
      for (const v1::StoredObject& object : response.objects()) keys.insert(object.key());
      request.set_page_token(response.next_page_token());
    } while (!response.next_page_token().empty());
    return keys;
  }

  std::array<StoreClient, kServers> Clients() const {
    return {StoreClient(Address(0)), StoreClient(Address(1)), StoreClient(Address(2))};
  }

  // Through one server: all that was acknowledged, and nothing else.
  void Check(const StoreClient& client) {
    std::set<std::string> listed = List(client);
    for (const std::string& key : ledger_.Keys()) {
      const auto content = Read(client, key);
      ASSERT_TRUE(content) << key << ": " << last_error_;
      EXPECT_TRUE(ledger_.Settle(key, *content)) << key << " is not what was acknowledged";
      EXPECT_EQ(listed.contains(key), content->has_value()) << key;
      listed.erase(key);
    }
    EXPECT_TRUE(listed.empty()) << *listed.begin() << " was never put";
  }

  // Waits for a share of the changes; false: they will not come.
  bool ChangesReach(std::uint64_t share) {
    const std::uint64_t wanted = kWriters * kChangesOfWriter * RoundsFactor() * share / 8;
    while (changes_ < wanted && !HasFailure()) std::this_thread::sleep_for(std::chrono::milliseconds(5));
    return !HasFailure();
  }

  void KillAndRestart() {
    killing_ = true;
    servers_[kKilled]->Signal(SIGKILL);
    servers_[kKilled]->Wait();
    Start(kKilled);
  }

  // A command of the environment, or none.
  static void Run(const char* variable) { EXPECT_EQ(std::system(Variable(variable).c_str()), 0) << variable; }

  const TempFolder folder_;
  const std::string place_ = "s3:" + Variable("S3_BUCKET") + "/servers-" + store::RandomId();
  const std::vector<StoreContent> contents_ = ContentsWithALargeOne();
  std::array<std::unique_ptr<ServerProcess>, kServers> servers_;
  StoreLedger ledger_;
  std::atomic<bool> killing_{false}, hurt_{false}, done_{false};
  std::atomic<std::uint64_t> changes_{0}, acknowledged_{0}, reads_{0};
  static thread_local std::string last_error_;
};

thread_local std::string S3ServersTest::last_error_;

// DCAC_S3_HURT is a command that takes a part of the S3 store away, DCAC_S3_HEAL brings it back.
TEST_F(S3ServersTest, LoseNothingWhenOneIsKilledAndTheStoreIsHurt) {
  std::vector<std::jthread> readers, writers;
  for (std::size_t i = 0; i < kReaders; ++i) readers.emplace_back([this, i] { ReadOn(i); });
  for (std::size_t i = 0; i < kWriters; ++i) writers.emplace_back([this, i] { Write(i); });
  if (ChangesReach(2)) KillAndRestart();
  if (ChangesReach(4)) {
    hurt_ = !Variable("DCAC_S3_HURT").empty();
    Run("DCAC_S3_HURT");
  }
  if (ChangesReach(6)) KillAndRestart();
  for (std::jthread& writer : writers) writer.join();
  done_ = true;
  for (std::jthread& reader : readers) reader.join();
  Run("DCAC_S3_HEAL");
  for (const StoreClient& client : Clients()) Check(client);
  std::cout << acknowledged_ << " of " << changes_ << " changes acknowledged, " << reads_
            << " objects read meanwhile\n";
  for (const auto& server : servers_) {
    server->Signal(SIGTERM);
    EXPECT_EQ(server->Wait(), 0);
  }
}

TEST_F(S3ServersTest, OfRacersForAnAbsentKeyOneWins) {
  const std::array<StoreClient, kServers> clients = Clients();
  for (std::uint64_t race = 0; race < kRaces * RoundsFactor(); ++race) {
    const std::string key = "race/" + std::to_string(race);
    std::array<grpc::Status, kRacers> results;
    std::vector<std::jthread> racers;
    for (std::size_t i = 0; i < kRacers; ++i) {
      racers.emplace_back([&, i] {
        v1::PutHeader header = FrameHeader(key, contents_[i].frame.size());
        header.mutable_condition()->set_if_absent(true);
        results[i] = clients[i % kServers].Put(header, contents_[i].frame).status;
      });
    }
    for (std::jthread& racer : racers) racer.join();
    std::set<std::size_t> winners;
    for (std::size_t i = 0; i < kRacers; ++i) {
      EXPECT_TRUE(results[i].ok() || results[i].error_code() == grpc::StatusCode::ALREADY_EXISTS)
          << results[i].error_message();
      if (results[i].ok()) winners.insert(i);
    }
    ASSERT_EQ(winners.size(), 1u) << key;
    for (const StoreClient& client : clients) EXPECT_EQ(Read(client, key), StoreLedger::Content(*winners.begin()));
  }
}

}  // namespace
}  // namespace dcac::testing
