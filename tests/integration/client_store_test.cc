// The client's calls of the store against real servers: what tests with scripted connections cannot show.
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/files/archive.h"
#include "dcac/client_prefetcher.h"
#include "dcac/client_store.h"
#include "dcac/codec.h"
#include "tests/integration/fixture.h"

namespace dcac::testing {
namespace {

using client::Codec;
using client::PutItem;
using client::StoredObject;
using client::StoredTensor;

server::ServerOptions WithStore() {
  server::ServerOptions options = LoopbackOptions();
  options.store.location = "memory:";
  return options;
}

// Once for each place where tensors are compressed and restored.
class ClientStoreTest : public ::testing::TestWithParam<Codec> {
 protected:
  // An archive of nothing.
  void PutArchive(const std::string& key) const {
    const Bytes archive = files::SerializeArchiveHead({.kind = files::ArchiveKind::kRaw,
                                                       .form = files::ArchiveHead::Form::kSingle,
                                                       .pieces = {},
                                                       .inline_bytes = {}});
    Bytes whole = archive;
    const Bytes frame = *Compress(tensor_.spec, tensor_.data);
    whole.insert(whole.end(), frame.begin(), frame.end());
    const auto object = store_.PutArchive(key, AccessMemory(whole), tensor_.data.size());
    ASSERT_TRUE(object.ok()) << object.status();
  }

  std::unique_ptr<server::Server> server_ = StartServer(WithStore());
  const client::Store store_{ConnectTo(server_->addresses()[0])};
  const client::CallOptions call_{.codec = GetParam()};
  const Tensor tensor_ = MakeTensor(40);
};

TEST_P(ClientStoreTest, PiecesGoInAndComeOut) {
  const auto put = store_.PutStream("k", tensor_.spec, PiecewiseSource(tensor_.data, 10'000), {}, call_);
  ASSERT_TRUE(put.ok()) << put.status();
  EXPECT_EQ(put->digest, ComputeDigest(tensor_.data));
  Bytes got;
  std::optional<TensorSpec> spec;
  const auto get = store_.GetStream(
      "k",
      [&](const TensorSpec& of) {
        spec = of;
        return absl::OkStatus();
      },
      AppendTo(&got), {}, call_);
  ASSERT_TRUE(get.ok()) << get.status();
  EXPECT_EQ(get->object.version, put->version);
  EXPECT_EQ(spec, tensor_.spec);
  EXPECT_TRUE(got == tensor_.data);
}

TEST_P(ClientStoreTest, ASourceOfAnotherLengthIsRefused) {
  for (const std::ptrdiff_t change : {-1, 1}) {
    Bytes data = tensor_.data;
    data.resize(static_cast<std::size_t>(static_cast<std::ptrdiff_t>(data.size()) + change));
    EXPECT_EQ(store_.PutStream("k", tensor_.spec, PiecewiseSource(data, 10'000), {}, call_).status().code(),
              absl::StatusCode::kInvalidArgument);
  }
  EXPECT_EQ(store_.Stat("k").status().code(), absl::StatusCode::kNotFound);
}

TEST_P(ClientStoreTest, IntoMemoryOfTheCaller) {
  ASSERT_TRUE(store_.Put("k", tensor_.spec, tensor_.data, {}, call_).ok());
  Bytes memory(tensor_.data.size());
  const auto got = store_.GetInto("k", memory, {}, call_);
  ASSERT_TRUE(got.ok()) << got.status();
  EXPECT_EQ(got->spec, tensor_.spec);
  EXPECT_TRUE(memory == tensor_.data);
  Bytes plane(64 * 64);
  const Slice slice{.item_begin = 3, .item_end = 4, .plane_begin = 2, .plane_end = 3};
  ASSERT_TRUE(store_.GetInto("k", plane, {.slice = slice}, call_).ok());
  EXPECT_TRUE(std::ranges::equal(plane, std::span(tensor_.data).subspan((3 * 8 + 2) * plane.size(), plane.size())));
  memory.pop_back();
  EXPECT_EQ(store_.GetInto("k", memory, {}, call_).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_P(ClientStoreTest, ArchivesAreNoTensors) {
  PutArchive("file");
  Bytes memory(tensor_.data.size());
  EXPECT_EQ(store_.Get("file", {}, call_).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(store_.GetInto("file", memory, {}, call_).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(store_.BatchGet(std::vector<std::string>{"file"}, call_).front().status().code(),
            absl::StatusCode::kInvalidArgument);
  Bytes got;
  const auto streamed = store_.GetStream(
      "file", [](const auto&) { return absl::OkStatus(); }, AppendTo(&got), {}, call_);
  EXPECT_EQ(streamed.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(got.empty());
}

TEST_P(ClientStoreTest, BatchesOfAllSizes) {
  constexpr std::size_t kItems = 200, kItemBytes = 4096;
  std::vector<PutItem> items;
  std::vector<std::string> keys;
  for (std::size_t i = 0; i < kItems; ++i) {
    keys.push_back("batch/" + std::to_string(i));
    items.push_back({.key = keys.back(),
                     .spec = {DType::kU8, {1, 1, 64, 64}, Layout::kNchw},
                     .data = std::span(tensor_.data).subspan(i * 100, kItemBytes),
                     .options = {}});
  }
  items[7].spec = tensor_.spec;  // more than a message has
  items[7].data = tensor_.data;
  items[8].options.pinned = true;
  items[9].spec.shape = {99};
  items[10].key = "not//a key";
  items[11].options.if_digest = Digest{};
  const auto put = store_.BatchPut(items, call_);
  ASSERT_EQ(put.size(), kItems);
  EXPECT_TRUE(put[8]->pinned);
  EXPECT_EQ(put[9].status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(put[10].status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(put[11].status().code(), absl::StatusCode::kNotFound);
  const auto got = store_.BatchGet(keys, call_);
  ASSERT_EQ(got.size(), kItems);
  for (std::size_t i = 0; i < kItems; ++i) {
    if (i >= 9 && i <= 11) {
      EXPECT_EQ(got[i].status().code(), absl::StatusCode::kNotFound) << i;
      continue;
    }
    ASSERT_TRUE(put[i].ok()) << i << put[i].status();
    ASSERT_TRUE(got[i].ok()) << i << got[i].status();
    EXPECT_TRUE(std::ranges::equal(got[i]->tensor.data, items[i].data)) << i;
    EXPECT_EQ(got[i]->object.version, put[i]->version);
  }
}

TEST_P(ClientStoreTest, CallsInTheBackground) {
  auto put = store_.PutAsync("k", tensor_.spec, tensor_.data, {}, call_);
  ASSERT_TRUE(put.get().ok());
  auto got = store_.GetAsync("k", {}, call_), missing = store_.GetAsync("none", {}, call_);
  EXPECT_TRUE(got.get()->tensor.data == tensor_.data);
  EXPECT_EQ(missing.get().status().code(), absl::StatusCode::kNotFound);
}

TEST_P(ClientStoreTest, PrefetchedInOrder) {
  std::vector<std::string> keys;
  for (std::uint64_t i = 1; i <= 20; ++i) {
    const Tensor tensor = MakeTensor(i);
    keys.push_back("p/" + std::to_string(i));
    ASSERT_TRUE(store_.Put(keys.back(), tensor.spec, tensor.data, {}, call_).ok());
  }
  keys.insert(keys.begin() + 5, "p/none");
  auto prefetcher = client::Prefetcher::Start(store_, keys, {.max_bytes = 300'000}, call_);
  ASSERT_TRUE(prefetcher.ok()) << prefetcher.status();
  for (const std::string& key : keys) {
    const std::optional<absl::StatusOr<StoredTensor>> next = prefetcher->Next();
    ASSERT_TRUE(next.has_value());
    if (key == "p/none") {
      EXPECT_EQ(next->status().code(), absl::StatusCode::kNotFound);
    } else {
      ASSERT_TRUE(next->ok()) << next->status();
      EXPECT_EQ((*next)->object.key, key);
    }
  }
  EXPECT_FALSE(prefetcher->Next().has_value());
}

INSTANTIATE_TEST_SUITE_P(Places, ClientStoreTest, ::testing::Values(Codec::kClient, Codec::kServer),
                         [](const auto& place) { return place.param == Codec::kClient ? "Client" : "Server"; });

}  // namespace
}  // namespace dcac::testing
