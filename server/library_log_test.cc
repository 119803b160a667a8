#include "server/library_log.h"

#include <gmock/gmock.h>
#include <google/protobuf/stubs/logging.h>
#include <grpc/support/log.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <optional>
#include <string>

namespace dcac::server {
namespace {

using ::testing::HasSubstr;

TEST(LibraryLogTest, LinesOfLibrariesAreLinesOfTheLogAndLimited) {
  std::array<int, 2> ends{};
  ASSERT_EQ(pipe(ends.data()), 0);
  gpr_set_log_verbosity(GPR_LOG_SEVERITY_ERROR);  // as it is once gRPC has begun
  std::optional<Log> log(std::in_place, ends[1], LogLevel::kInfo, LogFormat::kLogfmt);
  {
    const LibraryLog library_log(*log);
    GOOGLE_LOG(ERROR) << "no text in UTF-8";
    for (int i = 0; i < 1000; ++i) gpr_log("src/core/some.cc", 7, GPR_LOG_SEVERITY_ERROR, "handshake %d failed", i);
  }
  gpr_log("src/core/some.cc", 8, GPR_LOG_SEVERITY_ERROR, "nobody listens");
  log.reset();
  close(ends[1]);
  std::string text;
  std::array<char, 4096> piece{};
  for (ssize_t n = 0; (n = read(ends[0], piece.data(), piece.size())) > 0;) {
    text.append(piece.data(), static_cast<std::size_t>(n));
  }
  close(ends[0]);
  EXPECT_THAT(text, HasSubstr("library_message library=protobuf"));
  EXPECT_THAT(text, HasSubstr("no text in UTF-8"));
  EXPECT_THAT(text, HasSubstr("source=some.cc:7 message=\"handshake 0 failed\""));
  EXPECT_THAT(text, HasSubstr("more_of_the_same"));
  EXPECT_THAT(text, Not(HasSubstr("nobody listens")));
  EXPECT_LT(text.size(), 8000u);
}

}  // namespace
}  // namespace dcac::server
