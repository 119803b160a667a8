#include "server/store/discreet_store.h"

#include <gmock/gmock.h>

#include <filesystem>
#include <utility>

#include "core/base/status_macros.h"
#include "server/store/local_fixture.h"

namespace dcac::store {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

Backend DiscreetBackend() {
  return {"Discreet", [](const StoreLimits& limits, TestClock& clock) -> absl::StatusOr<std::unique_ptr<BlockStore>> {
            DCAC_ASSIGN_OR_RETURN(std::unique_ptr<BlockStore> store, OpenMemoryStore(limits, clock.function()));
            return MakeDiscreetStore(std::move(store), {});
          }};
}

INSTANTIATE_TEST_SUITE_P(Discreet, StoreConformanceTest, ::testing::Values(DiscreetBackend()),
                         [](const auto& instance) { return instance.param.name; });

// With a block of a file of its own under the key owner/k.
class DiscreetStoreTest : public LocalStoreTest {
 protected:
  void SetUp() override {
    Open();
    ASSERT_TRUE(Put("owner/k", SomeBytes(100'000)).ok());
    path_ = Files().front();
    store_ = MakeDiscreetStore(std::move(store_), {.folder = folder_.path() + "/",
                                                   .on_hidden = [this](const std::string& key, const absl::Status& e) {
                                                     hidden_.push_back(key + ": " + std::string(e.message()));
                                                   }});
  }

  std::string MessageOf(const std::string& key) { return std::string(Get(key).status().message()); }

  std::filesystem::path path_;
  std::vector<std::string> hidden_;
};

TEST_F(DiscreetStoreTest, PathsAreToldToTheOperatorAlone) {
  std::filesystem::remove(path_);
  std::filesystem::create_directory(path_);  // it opens, and cannot be read
  EXPECT_EQ(Get("owner/k").status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(MessageOf("owner/k"), "a file of the store: read: Is a directory");
  EXPECT_THAT(hidden_.back(), HasSubstr("owner/k: " + path_.string() + ": read"));
}

TEST_F(DiscreetStoreTest, ErrorsNameTheKeyThatTheClientKnows) {
  std::filesystem::resize_file(path_, 70'000);
  EXPECT_EQ(Get("owner/k").status().code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(MessageOf("owner/k"), StartsWith("k: stored bytes are damaged"));
}

TEST_F(DiscreetStoreTest, WhatIsNotThereIsNamed) {
  const std::string key = "owner/none";
  const std::string message = "nothing is stored under the key none";
  EXPECT_EQ(MessageOf(key), message);
  EXPECT_EQ(store_->Stat({&key, 1}, {}).front().status().message(), message);
  EXPECT_EQ(store_->Delete({&key, 1}, {}).front().message(), message);
  EXPECT_EQ(store_->Update(key, {.touch = true, .pinned = {}}, {}).status().message(), message);
  EXPECT_THAT(hidden_, IsEmpty());
}

TEST_F(DiscreetStoreTest, KeysThatHaveTheNameOfTheFolderStay) {
  Open();
  ASSERT_TRUE(Put("owner/k/x", SomeBytes(100'000)).ok());
  ASSERT_TRUE(store_->Delete(std::vector<std::string>{"owner/k"}, {}).front().ok());
  std::filesystem::resize_file(Files().front(), 70'000);
  store_ = MakeDiscreetStore(std::move(store_), {.folder = "/k"});
  EXPECT_THAT(MessageOf("owner/k/x"), StartsWith("k/x: stored bytes are damaged"));
}

}  // namespace
}  // namespace dcac::store
