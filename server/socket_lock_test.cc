#include "server/socket_lock.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <string>

namespace dcac::server {
namespace {

class SocketLockTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "dcac-lock-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string folder_;
};

TEST_F(SocketLockTest, SecondHolderIsRefusedUntilTheFirstIsGone) {
  const std::string path = folder_ + "/socket";
  {
    const auto first = SocketLock::Acquire(path);
    ASSERT_TRUE(first.ok()) << first.status();
    EXPECT_EQ(SocketLock::Acquire(path).status().code(), absl::StatusCode::kAlreadyExists);
  }
  EXPECT_TRUE(SocketLock::Acquire(path).ok());
}

TEST_F(SocketLockTest, PathThatNoSocketCanHaveIsRefused) {
  EXPECT_EQ(SocketLock::Acquire(folder_ + "/" + std::string(108, 'x')).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(SocketLock::Acquire("").status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(SocketLockTest, MissingFolderIsReported) {
  EXPECT_EQ(SocketLock::Acquire(folder_ + "/none/socket").status().code(), absl::StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace dcac::server
