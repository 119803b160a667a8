#include "tests/integration/store_ledger.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <utility>

#include "dcac/codec.h"
#include "tests/testing/random.h"

namespace dcac::testing {

std::vector<StoreContent> StoreContents() {
  std::vector<StoreContent> contents;
  Random random(1);
  for (const std::uint64_t bytes : {100u, 1000u, 5000u, 40'000u, 70'000u, 140'000u, 500'000u, 1'000'000u, 3'000'000u}) {
    for (int copy = 0; copy < 2; ++copy) {
      StoreContent content;
      content.tensor.spec = TensorSpec{.dtype = DType::kU8, .shape = {bytes}};
      content.tensor.data.resize(bytes);
      for (std::byte& byte : content.tensor.data) byte = static_cast<std::byte>(random.Bits());
      content.frame = Compress(content.tensor.spec, content.tensor.data).value();
      contents.push_back(std::move(content));
    }
  }
  return contents;
}

std::size_t NumberOf(const std::vector<StoreContent>& contents, const Bytes& bytes) {
  const auto found = std::ranges::find_if(contents, [&](const auto& each) { return each.tensor.data == bytes; });
  return static_cast<std::size_t>(found - contents.begin());
}

void StoreLedger::Begin(const std::string& key, Content content) {
  const std::lock_guard lock(mutex_);
  possible_.try_emplace(key, std::set<Content>{std::nullopt}).first->second.insert(content);
}

void StoreLedger::Acknowledge(const std::string& key, Content content) {
  const std::lock_guard lock(mutex_);
  possible_[key] = {content};
}

grpc::Status StoreLedger::Delete(const StoreClient& client, const std::string& key) {
  const bool may_be_absent = IsPossible(key, std::nullopt);
  Begin(key, std::nullopt);
  v1::DeleteRequest request;
  request.set_key(key);
  v1::DeleteResponse response;
  const grpc::Status status = client.Call(&v1::ActivationStoreService::Stub::Delete, request, &response);
  const bool absent = status.error_code() == grpc::StatusCode::NOT_FOUND;
  EXPECT_TRUE(!absent || may_be_absent) << key << " was lost";
  if (status.ok() || absent) Acknowledge(key, std::nullopt);
  return absent ? grpc::Status::OK : status;
}

bool StoreLedger::Settle(const std::string& key, Content content) {
  if (!IsPossible(key, content)) return false;
  Acknowledge(key, content);
  return true;
}

bool StoreLedger::IsPossible(const std::string& key, Content content) const {
  const std::lock_guard lock(mutex_);
  const auto found = possible_.find(key);
  return found == possible_.end() ? !content : found->second.contains(content);
}

std::vector<std::string> StoreLedger::Keys() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> keys;
  for (const auto& [key, possible] : possible_) keys.push_back(key);
  return keys;
}

}  // namespace dcac::testing
