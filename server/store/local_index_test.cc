#include "server/store/local_index.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <string>

#include "server/store/conformance.h"
#include "server/store/temp_folder.h"

namespace dcac::store {
namespace {

namespace fs = std::filesystem;

class LocalIndexTest : public ::testing::Test {
 protected:
  void Open() {
    index_.reset();
    auto index = LocalIndex::Open(folder_.path() + "/index", {.create = true});
    ASSERT_TRUE(index.ok()) << index.status();
    index_ = *std::move(index);
  }

  Record Put(const std::string& key, const std::string& payload) {
    Record record{.info = {.key = key, .size_bytes = payload.size(), .version = RandomId()}, .inlined = true};
    LocalIndex::Changes changes;
    changes.Put(std::nullopt, record, AsBytes(payload), OldPayload::kErase);
    EXPECT_TRUE(index_->Write(changes, /*sync=*/true).ok());
    return record;
  }

  // The file that has these bytes, and where.
  std::pair<std::string, std::size_t> FileWith(const std::string& bytes) const {
    for (const auto& entry : fs::directory_iterator(folder_.path() + "/index")) {
      std::ifstream file(entry.path(), std::ios::binary);
      const std::string content(std::istreambuf_iterator<char>(file), {});
      if (const std::size_t at = content.find(bytes); at != std::string::npos) return {entry.path(), at};
    }
    return {};
  }

  // Calls `check` with each bit of these bytes of a file flipped, or each so many, one after another.
  static void FlipEach(const std::string& path, std::size_t begin, std::size_t size,
                       const std::function<void(std::size_t bit)>& check, std::size_t step = 1) {
    for (std::size_t bit = begin * 8; bit < (begin + size) * 8; bit += step) {
      std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
      const auto at = static_cast<std::streamoff>(bit / 8);
      file.seekg(at);
      const int byte = file.get();
      file.seekp(at);
      file.put(static_cast<char>(byte ^ (1 << bit % 8))).flush();
      check(bit);
      file.seekp(at);
      file.put(static_cast<char>(byte)).flush();
    }
  }

  const TempFolder folder_;
  std::unique_ptr<LocalIndex> index_;
};

TEST_F(LocalIndexTest, AFlippedBitOfAPackedPayloadIsDataLoss) {
  Open();
  const std::string payload = SomeBytes(700);
  const Record record = Put("t/k", payload), other = Put("t/other", SomeBytes(800, 2));
  Open();
  const auto [path, begin] = FileWith(payload);
  ASSERT_TRUE(path.ends_with(".blob")) << path;
  FlipEach(path, begin, payload.size() + 8, [&](std::size_t bit) {
    ASSERT_EQ(index_->ReadPayload(record).status().code(), absl::StatusCode::kDataLoss) << "bit " << bit;
  });
  // Around it are a header and the id, with what is of the other payload.
  FlipEach(path, begin - 64, 64, [&](std::size_t bit) {
    for (const Record& each : {record, other}) {
      const absl::StatusOr<Bytes> read = index_->ReadPayload(each);
      const std::string& expected = each.info.key == "t/k" ? payload : SomeBytes(800, 2);
      EXPECT_TRUE(absl::IsDataLoss(read.status()) || (read.ok() && AsText(*read) == expected)) << "bit " << bit;
    }
  });
  EXPECT_TRUE(index_->ReadPayload(record).ok());
  EXPECT_TRUE(index_->ReadPayload(other).ok());
}

TEST_F(LocalIndexTest, AFlippedBitOfARecordIsDataLoss) {
  Open();
  Record record = Put("t/k", "payload");
  record.info.attributes = SomeBytes(300);  // so that nothing can be compressed
  LocalIndex::Changes changes;
  changes.Put(std::nullopt, record, std::nullopt, OldPayload::kErase);
  ASSERT_TRUE(index_->Write(changes, /*sync=*/true).ok());
  Open();
  const auto [path, at] = FileWith(record.info.attributes);
  ASSERT_TRUE(path.ends_with(".sst")) << path;
  const std::size_t size = SerializeRecord(record).size();
  const std::size_t begin = at + record.info.attributes.size() + 8 - size;
  FlipEach(
      path, begin, size,
      [&](std::size_t bit) {
        Open();  // as what was read once is kept
        ASSERT_EQ(index_->Find("t/k").status().code(), absl::StatusCode::kDataLoss) << "bit " << bit;
      },
      /*step=*/17);
  Open();
  EXPECT_TRUE(index_->Find("t/k").ok());
}

// Pages of a log that were never written, or that a disk changed.
TEST_F(LocalIndexTest, ADamagedEndOfTheLogIsToldAndLosesNothingBefore) {
  Open();
  const Record before = Put("t/before", SomeBytes(700)), after = Put("t/k", SomeBytes(700, 2));
  // As a process that is killed leaves it.
  fs::copy(folder_.path() + "/index", folder_.path() + "/killed");
  index_.reset();
  fs::remove_all(folder_.path() + "/index");
  fs::rename(folder_.path() + "/killed", folder_.path() + "/index");
  const auto [path, at] = FileWith(SomeBytes(700, 2));
  ASSERT_TRUE(path.ends_with(".log")) << path;
  const std::string undamaged = folder_.path() + "/undamaged";
  fs::copy(folder_.path() + "/index", undamaged);
  FlipEach(
      path, at, 700,
      [&](std::size_t bit) {
        Open();
        EXPECT_TRUE(index_->lost_log_end()) << "bit " << bit;
        EXPECT_EQ(AsText(*index_->ReadPayload(before)), SomeBytes(700)) << "bit " << bit;
        EXPECT_TRUE(absl::IsNotFound(index_->Find("t/k").status())) << "bit " << bit;
        index_.reset();
        fs::remove_all(folder_.path() + "/index");
        fs::copy(undamaged, folder_.path() + "/index");
      },
      /*step=*/701);
  Open();
  EXPECT_FALSE(index_->lost_log_end());
  EXPECT_EQ(AsText(*index_->ReadPayload(after)), SomeBytes(700, 2));
}

}  // namespace
}  // namespace dcac::store
