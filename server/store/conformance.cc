#include "server/store/conformance.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <thread>
#include <utility>

#include "server/store/record.h"

namespace dcac::store {
namespace {

using std::chrono::milliseconds;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

// Inline in an index, in one piece, in many pieces.
constexpr std::size_t kBlockSizes[] = {0, 1, 4096, 4097, 65'536, 65'537, 300'000, 3'000'000};

absl::StatusCode CodeOf(const absl::StatusOr<BlockInfo>& result) {
  return result.status().code();
}

}  // namespace

std::string SomeBytes(std::size_t size, unsigned seed) {
  std::string bytes(size, '\0');
  std::uint32_t state = seed * 2654435761u + 1;
  for (char& byte : bytes) {
    state = state * 1664525u + 1013904223u;
    byte = static_cast<char>(state >> 24);
  }
  return bytes;
}

void StoreConformanceTest::Open(const StoreLimits& limits) {
  auto store = GetParam().open(limits, clock_);
  ASSERT_TRUE(store.ok()) << store.status();
  store_ = *std::move(store);
}

absl::StatusOr<BlockInfo> StoreConformanceTest::Put(const std::string& key, std::string_view bytes,
                                                    PutOptions options) {
  auto upload = store_->Begin({.key = key, .expected_bytes = bytes.size(), .state = {}}, control_);
  if (!upload.ok()) return upload.status();
  if (const absl::Status status = (*upload)->Append(AsBytes(bytes), control_); !status.ok()) return status;
  return (*upload)->Commit(options, control_);
}

absl::StatusOr<std::string> StoreConformanceTest::Get(const std::string& key) {
  auto reader = store_->Open(key, control_);
  if (!reader.ok()) return reader.status();
  std::string bytes((*reader)->info().size_bytes, '\0');
  const absl::Status status = (*reader)->Read(0, std::as_writable_bytes(std::span(bytes)), control_);
  if (!status.ok()) return status;
  return bytes;
}

absl::StatusOr<BlockInfo> StoreConformanceTest::Stat(const std::string& key) {
  return store_->Stat({&key, 1}, control_).front();
}

absl::Status StoreConformanceTest::Delete(const std::string& key) {
  return store_->Delete({&key, 1}, control_).front();
}

std::vector<std::string> StoreConformanceTest::Keys(const std::string& prefix) {
  std::vector<std::string> keys;
  ListRequest request{.prefix = prefix, .start_after = {}, .limit = 2};
  while (true) {
    const auto page = store_->List(request, control_);
    EXPECT_TRUE(page.ok()) << page.status();
    if (!page.ok()) return keys;
    EXPECT_LE(page->blocks.size(), request.limit);
    for (const BlockInfo& info : page->blocks) keys.push_back(info.key);
    if (!page->more) return keys;
    request.start_after = keys.back();
  }
}

TEST_P(StoreConformanceTest, GivesBackWhatWasPut) {
  Open();
  for (const std::size_t size : kBlockSizes) {
    const std::string key = "t/size/" + std::to_string(size);
    const std::string bytes = SomeBytes(size);
    PutOptions options{.raw_bytes = size * 2, .attributes = "a tensor"};
    options.digest.fill(std::byte{7});
    const auto put = Put(key, bytes, options);
    ASSERT_TRUE(put.ok()) << put.status();
    EXPECT_EQ(put->size_bytes, size);
    EXPECT_EQ(*Get(key), bytes);
    const auto info = Stat(key);
    ASSERT_TRUE(info.ok()) << info.status();
    EXPECT_EQ(info->key, key);
    EXPECT_EQ(info->size_bytes, size);
    EXPECT_EQ(info->raw_bytes, 2 * size);
    EXPECT_EQ(info->attributes, "a tensor");
    EXPECT_EQ(info->digest, options.digest);
    EXPECT_EQ(info->version, put->version);
    EXPECT_FALSE(info->expires);
    EXPECT_FALSE(info->pinned);
  }
}

TEST_P(StoreConformanceTest, ReadsAnyRange) {
  Open();
  const std::string bytes = SomeBytes(300'000);
  ASSERT_TRUE(Put("t/k", bytes).ok());
  const auto reader = *store_->Open("t/k", control_);
  for (const std::size_t offset : {0u, 1u, 65'535u, 65'536u, 200'000u, 299'999u, 300'000u}) {
    for (const std::size_t size : {0u, 1u, 70'000u, 100'000u}) {
      std::string part(size, '\0');
      const absl::Status status = reader->Read(offset, std::as_writable_bytes(std::span(part)), control_);
      if (offset + size > bytes.size()) {
        EXPECT_EQ(status.code(), absl::StatusCode::kOutOfRange);
      } else {
        ASSERT_TRUE(status.ok()) << status;
        EXPECT_EQ(part, bytes.substr(offset, size));
      }
    }
  }
  std::byte one{};
  EXPECT_EQ(reader->Read(~std::uint64_t{0}, {&one, 1}, control_).code(), absl::StatusCode::kOutOfRange);
}

TEST_P(StoreConformanceTest, WhatIsNotThereIsNotFound) {
  Open();
  EXPECT_EQ(store_->Open("t/none", control_).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(CodeOf(Stat("t/none")), absl::StatusCode::kNotFound);
  EXPECT_EQ(Delete("t/none").code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(CodeOf(store_->Update("t/none", {.touch = true}, control_)), absl::StatusCode::kNotFound);
  EXPECT_EQ(store_->Resume("0123456789abcdef0123456789abcdef", "t", control_).status().code(),
            absl::StatusCode::kNotFound);
  EXPECT_EQ(store_->Resume("../../etc/passwd", "t", control_).status().code(), absl::StatusCode::kNotFound);
}

TEST_P(StoreConformanceTest, RefusesWhatIsNoKey) {
  Open();
  for (const char* key : {"", "/", "a//b", "a/../b"}) {
    EXPECT_EQ(CodeOf(Put(key, "x")), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(Get(key).status().code(), absl::StatusCode::kInvalidArgument);
  }
}

TEST_P(StoreConformanceTest, APutReplacesAtOnceAndReadersKeepWhatTheyOpened) {
  Open();
  const std::string before = SomeBytes(200'000, 1), after = SomeBytes(100'000, 2);
  const auto first = Put("t/k", before);
  const auto reader = *store_->Open("t/k", control_);
  const auto second = Put("t/k", after);
  ASSERT_TRUE(first.ok() && second.ok());
  EXPECT_NE(first->version, second->version);
  EXPECT_EQ(*Get("t/k"), after);
  std::string kept(before.size(), '\0');
  ASSERT_TRUE(reader->Read(0, std::as_writable_bytes(std::span(kept)), control_).ok());
  EXPECT_EQ(kept, before);
  EXPECT_EQ(store_->Status().usage.stored_bytes, after.size());
  EXPECT_EQ(store_->Status().usage.blocks, 1u);
}

TEST_P(StoreConformanceTest, NothingIsThereBeforeItIsCommitted) {
  Open();
  {
    auto upload = store_->Begin({.key = "t/k", .expected_bytes = 0, .state = {}}, control_);
    ASSERT_TRUE(upload.ok()) << upload.status();
    ASSERT_TRUE((*upload)->Append(AsBytes(SomeBytes(100'000)), control_).ok());
    ASSERT_TRUE((*upload)->Seal(control_).ok());
    EXPECT_EQ(CodeOf(Stat("t/k")), absl::StatusCode::kNotFound);
    EXPECT_THAT(Keys(""), IsEmpty());
  }
  EXPECT_EQ(CodeOf(Stat("t/k")), absl::StatusCode::kNotFound);
  EXPECT_EQ(store_->Status().reserved_bytes, 0u);
  EXPECT_EQ(store_->Status().usage.blocks, 0u);
}

TEST_P(StoreConformanceTest, AnUploadGoesOnWhereItWasKept) {
  Open();
  const std::string bytes = SomeBytes(5'000'000);
  std::string id;
  {
    auto upload = *store_->Begin({.key = "t/k", .expected_bytes = bytes.size(), .state = "what it is"}, control_);
    id = upload->id();
    ASSERT_TRUE(upload->Append(AsBytes(bytes).first(3'000'000), control_).ok());
    EXPECT_EQ(store_->Resume(id, "t", control_).status().code(), absl::StatusCode::kUnavailable);
    EXPECT_EQ(store_->Resume(id, "other", control_).status().code(), absl::StatusCode::kNotFound);
    EXPECT_TRUE(upload->KeepInput(5, std::vector{AsBytes(bytes).first(10)}).ok());
  }
  EXPECT_EQ(store_->Resume(id, "other", control_).status().code(), absl::StatusCode::kNotFound);
  auto upload = store_->Resume(id, "t", control_);
  ASSERT_TRUE(upload.ok()) << upload.status();
  const absl::StatusOr<KeptInput> input = (*upload)->ReadInput(control_);
  ASSERT_TRUE(input.ok()) << input.status();
  if (!input->bytes.empty()) {
    EXPECT_EQ(input->offset, 5u);
    EXPECT_TRUE(std::ranges::equal(input->bytes, AsBytes(bytes).first(10)));
  }
  EXPECT_EQ((*upload)->key(), "t/k");
  EXPECT_EQ((*upload)->state(), "what it is");
  const std::uint64_t kept = (*upload)->size_bytes();
  EXPECT_EQ(kept, (*upload)->kept_bytes());
  EXPECT_LE(kept, 3'000'000u);
  std::string part(kept, '\0');
  ASSERT_TRUE((*upload)->Read(0, std::as_writable_bytes(std::span(part)), control_).ok());
  EXPECT_EQ(part, bytes.substr(0, kept));
  ASSERT_TRUE((*upload)->Append(AsBytes(bytes).subspan(kept), control_).ok());
  ASSERT_TRUE((*upload)->Commit({}, control_).ok());
  upload->reset();
  EXPECT_EQ(*Get("t/k"), bytes);
  EXPECT_EQ(store_->Resume(id, "t", control_).status().code(), absl::StatusCode::kNotFound);
}

TEST_P(StoreConformanceTest, AnUploadThatBreaksOffEarlyKeepsWhatItHas) {
  Open();
  const std::string bytes = SomeBytes(1000);
  std::string id;
  {
    const auto upload = *store_->Begin({.key = "t/k", .expected_bytes = 100'000, .state = "state"}, control_);
    ASSERT_TRUE(upload->Append(AsBytes(bytes), control_).ok());
    EXPECT_TRUE(upload->KeepInput(bytes.size(), {}).ok());
    id = upload->id();
  }
  const auto upload = store_->Resume(id, "t", control_);
  ASSERT_TRUE(upload.ok()) << upload.status();
  EXPECT_EQ((*upload)->kept_bytes(), bytes.size());
  ASSERT_TRUE((*upload)->Commit({}, control_).ok());
  EXPECT_EQ(*Get("t/k"), bytes);
}

TEST_P(StoreConformanceTest, ConditionsHold) {
  Open();
  PutOptions absent{.condition = {.if_absent = true, .if_digest = {}}};
  absent.digest.fill(std::byte{1});
  ASSERT_TRUE(Put("t/k", SomeBytes(10'000, 1), absent).ok());
  EXPECT_EQ(CodeOf(Put("t/k", SomeBytes(10'000, 2), absent)), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(*Get("t/k"), SomeBytes(10'000, 1));
  PutOptions digest{.condition = {.if_absent = false, .if_digest = absent.digest}};
  digest.digest.fill(std::byte{2});
  if (!store_->Status().conditional_replace) {
    EXPECT_EQ(CodeOf(Put("t/k", "x", digest)), absl::StatusCode::kUnimplemented);
    return;
  }
  EXPECT_EQ(CodeOf(Put("t/none", "x", digest)), absl::StatusCode::kNotFound);
  EXPECT_TRUE(Put("t/k", SomeBytes(10'000, 3), digest).ok());
  EXPECT_EQ(CodeOf(Put("t/k", SomeBytes(10'000, 4), digest)), absl::StatusCode::kAborted);
  EXPECT_EQ(*Get("t/k"), SomeBytes(10'000, 3));
}

TEST_P(StoreConformanceTest, OfRacersForAnAbsentKeyOneWins) {
  Open();
  for (const std::size_t size : {100u, 100'000u}) {
    const std::string key = "t/race/" + std::to_string(size);
    std::vector<absl::StatusOr<BlockInfo>> results(8);
    std::vector<std::thread> racers;
    for (unsigned i = 0; i < results.size(); ++i) {
      racers.emplace_back(
          [&, i] { results[i] = Put(key, SomeBytes(size, i), {.condition = {.if_absent = true, .if_digest = {}}}); });
    }
    for (std::thread& racer : racers) racer.join();
    int winners = 0;
    for (unsigned i = 0; i < results.size(); ++i) {
      if (results[i].ok()) {
        ++winners;
        EXPECT_EQ(*Get(key), SomeBytes(size, i));
      } else {
        EXPECT_EQ(CodeOf(results[i]), absl::StatusCode::kAlreadyExists) << results[i].status();
      }
    }
    EXPECT_EQ(winners, 1);
  }
}

TEST_P(StoreConformanceTest, ListsInTheOrderOfKeys) {
  Open();
  for (const char* key : {"t/b", "t/a/2", "t/a", "t/a/1", "t/a!", "u/a", "t/ü"}) ASSERT_TRUE(Put(key, "x").ok());
  EXPECT_THAT(Keys("t/"), ElementsAre("t/a", "t/a!", "t/a/1", "t/a/2", "t/b", "t/ü"));
  EXPECT_THAT(Keys("t/a/"), ElementsAre("t/a/1", "t/a/2"));
  EXPECT_THAT(Keys("t/a"), ElementsAre("t/a", "t/a!", "t/a/1", "t/a/2"));
  EXPECT_THAT(Keys("v"), IsEmpty());
  EXPECT_EQ(Keys("").size(), 7u);
  EXPECT_EQ(store_->List({.prefix = "", .start_after = "", .limit = 0}, control_).status().code(),
            absl::StatusCode::kInvalidArgument);
  const auto usage = store_->ReadUsage("t/a", control_);
  ASSERT_TRUE(usage.ok());
  EXPECT_EQ(usage->blocks, 4u);
  EXPECT_EQ(usage->stored_bytes, 4u);
}

TEST_P(StoreConformanceTest, PutsManyAndTellsOfEach) {
  Open();
  const std::string small = SomeBytes(500), large = SomeBytes(200'000);
  std::vector<SmallBlock> blocks;
  for (const char* key : {"t/1", "t/2", "t//", "t/1"}) {
    blocks.push_back({.key = key, .bytes = AsBytes(small), .options = {}});
  }
  blocks.push_back({.key = "t/5", .bytes = AsBytes(large), .options = {}});
  blocks.push_back(
      {.key = "t/2", .bytes = AsBytes(large), .options = {.condition = {.if_absent = true, .if_digest = {}}}});
  const auto results = store_->PutMany(blocks, control_);
  ASSERT_EQ(results.size(), blocks.size());
  EXPECT_TRUE(results[0].ok() && results[1].ok() && results[3].ok() && results[4].ok());
  EXPECT_EQ(CodeOf(results[2]), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(CodeOf(results[5]), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(*Get("t/1"), small);
  EXPECT_EQ(*Get("t/5"), large);
  EXPECT_THAT(Keys(""), ElementsAre("t/1", "t/2", "t/5"));
  EXPECT_EQ(store_->Status().reserved_bytes, 0u);
}

TEST_P(StoreConformanceTest, BlocksExpire) {
  Open();
  ASSERT_TRUE(Put("t/short", SomeBytes(10'000), {.ttl = milliseconds(1000)}).ok());
  ASSERT_TRUE(Put("t/long", SomeBytes(10'000), {.ttl = milliseconds(5000)}).ok());
  ASSERT_TRUE(Put("t/ever", SomeBytes(10'000)).ok());
  clock_.Advance(milliseconds(999));
  EXPECT_TRUE(Get("t/short").ok());
  clock_.Advance(milliseconds(1));
  EXPECT_EQ(Get("t/short").status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(CodeOf(Stat("t/short")), absl::StatusCode::kNotFound);
  EXPECT_EQ(Delete("t/short").code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(Keys(""), ElementsAre("t/ever", "t/long"));
  ASSERT_TRUE(Put("t/short", "new", {.condition = {.if_absent = true, .if_digest = {}}}).ok());
  EXPECT_EQ(*Get("t/short"), "new");
  ASSERT_TRUE(store_->Update("t/long", {.set_ttl = true, .ttl = milliseconds(100'000)}, control_).ok());
  clock_.Advance(milliseconds(50'000));
  ASSERT_TRUE(store_->Maintain(control_).ok());
  EXPECT_TRUE(Get("t/long").ok());
  ASSERT_TRUE(store_->Update("t/long", {.set_ttl = true, .ttl = {}}, control_).ok());
  clock_.Advance(milliseconds(100'000));
  ASSERT_TRUE(store_->Maintain(control_).ok());
  EXPECT_THAT(Keys(""), ElementsAre("t/ever", "t/long", "t/short"));
  EXPECT_EQ(store_->Status().usage.blocks, 3u);
}

TEST_P(StoreConformanceTest, ScrubsPageByPage) {
  Open();
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(Put("t/" + std::to_string(i), SomeBytes(10'000)).ok());
  ScrubRequest request{.prefix = "t/", .start_after = {}, .max_bytes = 15'000};
  std::uint64_t blocks = 0, pages = 0;
  while (true) {
    const auto page = store_->Scrub(request, control_);
    ASSERT_TRUE(page.ok()) << page.status();
    EXPECT_THAT(page->damaged, IsEmpty());
    blocks += page->blocks;
    ++pages;
    if (page->last_key.empty()) break;
    request.start_after = page->last_key;
  }
  EXPECT_EQ(blocks, 5u);
  EXPECT_GE(pages, 3u);
}

TEST_P(StoreConformanceTest, EndsWhenItIsNotWanted) {
  Open();
  ASSERT_TRUE(Put("t/k", SomeBytes(10'000)).ok());
  const std::atomic<bool> cancelled{true};
  const CallControl control{.cancelled = &cancelled};
  EXPECT_EQ(store_->Open("t/k", control).status().code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(store_->List({}, control).status().code(), absl::StatusCode::kCancelled);
  const CallControl late{.deadline = std::chrono::steady_clock::now() - std::chrono::seconds(1)};
  EXPECT_EQ(store_->Begin({.key = "t/k", .expected_bytes = 0, .state = {}}, late).status().code(),
            absl::StatusCode::kDeadlineExceeded);
}

TEST_P(StoreConformanceTest, QuotasAreOfOwners) {
  Open({.capacity_bytes = 0, .owner_quota_bytes = 100'000});
  ASSERT_TRUE(Put("a/1", SomeBytes(60'000)).ok());
  EXPECT_EQ(CodeOf(Put("a/2", SomeBytes(60'000))), absl::StatusCode::kResourceExhausted);
  EXPECT_TRUE(Put("a/2", SomeBytes(40'000)).ok());
  EXPECT_TRUE(Put("b/1", SomeBytes(60'000)).ok());
  ASSERT_TRUE(Delete("a/1").ok());
  EXPECT_TRUE(Put("a/3", SomeBytes(60'000)).ok());
  EXPECT_EQ(CodeOf(Put("a/4", SomeBytes(1))), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(store_->Status().reserved_bytes, 0u);
}

}  // namespace dcac::store
