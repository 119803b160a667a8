// What the tests of the store's sessions share: a store in memory, and requests.
#ifndef DCAC_SERVER_STORE_SESSION_DRIVER_H_
#define DCAC_SERVER_STORE_SESSION_DRIVER_H_

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "dcac/options.h"
#include "proto/wire/limits.h"
#include "server/put_session.h"
#include "server/session_driver.h"
#include "server/store/local_store.h"
#include "server/store_context.h"
#include "server/stored_object.h"

namespace dcac::server {

// A tensor of eight segments.
inline constexpr std::size_t kLargeBytes = std::size_t{2} << 20;
inline const TensorSpec kLargeSpec{DType::kU8, {kLargeBytes}, Layout::kFlat};
inline constexpr EncodeOptions kLargeOptions{.segment_bytes = kLargeBytes / 8};

// What does not become smaller.
inline Bytes NoisyBytes(std::size_t size) {
  std::mt19937 random(1);
  Bytes bytes(size);
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(random() & 0xff);
  return bytes;
}

class StoreSessionTest : public ::testing::Test {
 protected:
  void OpenStore(const store::StoreLimits& limits) { store_ = store::OpenMemoryStore(limits).value(); }
  void SetUp() override { OpenStore({}); }

  StoreContext Context(const std::string& tenant = "vision") {
    return {.store = *store_, .workers = workers_, .limits = limits_, .tenant = tenant};
  }

  static v1::PutRequest TensorHeader(const std::string& key, const TensorSpec& spec = kSpec) {
    v1::PutRequest request;
    request.mutable_header()->set_key(key);
    wire::ToProto(spec, request.mutable_header()->mutable_tensor()->mutable_spec());
    return request;
  }

  static v1::PutRequest LargeHeader(const std::string& key) {
    v1::PutRequest request = TensorHeader(key, kLargeSpec);
    wire::ToProto(kLargeOptions, request.mutable_header()->mutable_tensor()->mutable_options());
    return request;
  }

  static v1::PutRequest FrameHeader(const std::string& key, std::uint64_t stored_bytes) {
    v1::PutRequest request;
    request.mutable_header()->set_key(key);
    request.mutable_header()->mutable_frame()->set_stored_bytes(stored_bytes);
    return request;
  }

  static v1::PutRequest Chunk(std::uint64_t offset, std::span<const std::byte> bytes) {
    return ChunkRequest<v1::PutRequest>(offset, bytes);
  }

  // The header, and `input` from `begin` on.
  static std::vector<v1::PutRequest> InChunks(const v1::PutRequest& header, std::span<const std::byte> input,
                                              std::size_t begin = 0) {
    std::vector<v1::PutRequest> requests = {header};
    for (std::size_t offset = begin; offset < input.size(); offset += wire::kMaxChunkBytes) {
      requests.push_back(Chunk(offset, input.subspan(offset, std::min(wire::kMaxChunkBytes, input.size() - offset))));
    }
    return requests;
  }

  Outcome<v1::PutResponse> Put(std::vector<v1::PutRequest> requests) {
    PutSession session(Context());
    return Drive(session, std::move(requests));
  }

  v1::StoredObject PutTensor(const std::string& key, const TensorSpec& spec, std::span<const std::byte> data) {
    const auto outcome = Put(InChunks(TensorHeader(key, spec), data));
    EXPECT_TRUE(outcome.status.ok()) << outcome.status;
    return outcome.replies.empty() ? v1::StoredObject() : outcome.replies.back().object();
  }

  // The bytes of a block; none: there is no such block.
  Bytes Stored(const std::string& block_key) {
    const auto block = store_->Open(block_key, {});
    if (!block.ok()) return {};
    Bytes bytes(static_cast<std::size_t>((*block)->info().size_bytes));
    EXPECT_TRUE((*block)->Read(0, bytes, {}).ok());
    return bytes;
  }

  // Puts a block past the sessions, which would check it.
  void PutBlock(const std::string& block_key, std::span<const std::byte> bytes, const store::PutOptions& options) {
    const store::SmallBlock block{.key = block_key, .bytes = bytes, .options = options};
    EXPECT_TRUE(store_->PutMany({&block, 1}, {}).front().ok());
  }

  // Nothing is stored, and nothing is left of an upload.
  void ExpectEmptyStore() {
    const store::StoreStatus status = store_->Status();
    EXPECT_EQ(status.usage.blocks, 0u);
    EXPECT_EQ(status.open_uploads, 0u);
    EXPECT_EQ(status.reserved_bytes, 0u);
  }

  Limits limits_;
  WorkerPool workers_{2};
  std::unique_ptr<store::BlockStore> store_;
};

}  // namespace dcac::server

#endif  // DCAC_SERVER_STORE_SESSION_DRIVER_H_
