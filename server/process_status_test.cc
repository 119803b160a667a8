#include "server/process_status.h"

#include <gtest/gtest.h>

#include <fstream>

namespace dcac::server {
namespace {

TEST(ProcessStatusTest, TellsOfThisProcess) {
  const ProcessStatus before = ReadProcessStatus();
  EXPECT_GT(before.rss_bytes, 100'000u);
  EXPECT_GT(before.max_fds, 0u);
  const std::ifstream file("/proc/self/status");
  EXPECT_EQ(ReadProcessStatus().open_fds, before.open_fds + 1);
}

}  // namespace
}  // namespace dcac::server
