// A local store in a folder of its own, with a clock that stands still.
#ifndef DCAC_SERVER_STORE_LOCAL_FIXTURE_H_
#define DCAC_SERVER_STORE_LOCAL_FIXTURE_H_

#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "server/store/conformance.h"
#include "server/store/local_store.h"
#include "server/store/record.h"
#include "server/store/temp_folder.h"

namespace dcac::store {

class LocalStoreTest : public ::testing::Test {
 protected:
  void Open() {
    store_.reset();
    LocalStoreOptions options{.folder = folder_.path(), .limits = limits_, .sync = sync_};
    options.now = clock_.function();
    auto store = OpenLocalStore(options);
    ASSERT_TRUE(store.ok()) << store.status();
    store_ = *std::move(store);
  }

  absl::StatusOr<BlockInfo> Put(const std::string& key, std::string_view bytes, const PutOptions& options = {}) {
    auto upload = store_->Begin({.key = key, .expected_bytes = bytes.size(), .state = {}}, {});
    if (!upload.ok()) return upload.status();
    if (const absl::Status status = (*upload)->Append(AsBytes(bytes), {}); !status.ok()) return status;
    return (*upload)->Commit(options, {});
  }

  absl::StatusOr<std::string> Get(const std::string& key) {
    auto reader = store_->Open(key, {});
    if (!reader.ok()) return reader.status();
    std::string bytes((*reader)->info().size_bytes, '\0');
    const absl::Status status = (*reader)->Read(0, std::as_writable_bytes(std::span(bytes)), {});
    if (!status.ok()) return status;
    return bytes;
  }

  std::vector<std::string> Keys() {
    std::vector<std::string> keys;
    const absl::StatusOr<ListPage> page = store_->List({}, {});
    for (const BlockInfo& info : page->blocks) keys.push_back(info.key);
    return keys;
  }

  std::vector<std::filesystem::path> Files() const {
    std::vector<std::filesystem::path> files;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder_.path() + "/files")) {
      if (entry.is_regular_file()) files.push_back(entry.path());
    }
    return files;
  }

  const TempFolder folder_;
  TestClock clock_;
  StoreLimits limits_;
  SyncPolicy sync_ = SyncPolicy::kEach;
  std::unique_ptr<BlockStore> store_;
};

}  // namespace dcac::store

#endif  // DCAC_SERVER_STORE_LOCAL_FIXTURE_H_
