#include "client/internal/call_metadata.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <cstdio>
#include <fstream>

namespace dcac::client::internal {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::Pair;

const std::vector<Target> kLocal = {{"unix:/s", true}};
const std::vector<Target> kRemote = {{"unix:/s", true}, {"example.com:1", false}};

// A file of its own, removed at the end.
class TempFile {
 public:
  explicit TempFile(const std::string& content) {
    close(mkstemp(path_));
    std::ofstream(path_) << content;
  }
  ~TempFile() { std::remove(path_); }
  std::string path() const { return path_; }

 private:
  char path_[32] = "/tmp/dcac-XXXXXX";
};

Metadata Of(const ClientOptions& options, const std::vector<Target>& targets = kLocal) {
  const auto metadata = CallMetadata(options, targets);
  EXPECT_TRUE(metadata.ok()) << metadata.status();
  return metadata.ok() ? *metadata : Metadata();
}

std::string ErrorOf(const ClientOptions& options, const std::vector<Target>& targets = kLocal) {
  const absl::Status status = CallMetadata(options, targets).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  return std::string(status.message());
}

TEST(CallMetadataTest, NamesAndTokenAreSent) {
  const Metadata metadata = Of({.token = "secret", .tenant = "team", .caller = "job-7"});
  EXPECT_THAT(metadata, Contains(Pair("authorization", "Bearer secret")));
  EXPECT_THAT(metadata, Contains(Pair("dcac-tenant", "team")));
  EXPECT_THAT(metadata, Contains(Pair("dcac-caller", "job-7")));
}

TEST(CallMetadataTest, CallersWithoutANameDiffer) {
  const Metadata one = Of({}), other = Of({});
  ASSERT_EQ(one.size(), 1u);
  EXPECT_EQ(one[0].second.size(), 16u);
  EXPECT_NE(one, other);
}

TEST(CallMetadataTest, TokenComesFromItsFile) {
  const TempFile file("  from-file\n");
  EXPECT_THAT(Of({.token_file = file.path()}), Contains(Pair("authorization", "Bearer from-file")));
  EXPECT_THAT(ErrorOf({.token = "x", .token_file = file.path()}), HasSubstr("both"));
  EXPECT_THAT(ErrorOf({.token_file = "/nonexistent"}), HasSubstr("cannot be read"));
  EXPECT_THAT(ErrorOf({.token_file = "/tmp"}), HasSubstr("cannot be read"));
  EXPECT_THAT(ErrorOf({.token_file = TempFile("\n").path()}), HasSubstr("token_file"));
}

TEST(CallMetadataTest, TokenCrossesNoNetworkInPlainText) {
  EXPECT_THAT(ErrorOf({.token = "secret"}, kRemote), HasSubstr("example.com:1 without TLS"));
  EXPECT_THAT(Of({.tls = TlsOptions(), .token = "secret"}, kRemote), Contains(Pair("authorization", "Bearer secret")));
  EXPECT_EQ(Of({.token = "secret", .allow_insecure_token = true}, kRemote).size(), 2u);
  EXPECT_EQ(Of({}, kRemote).size(), 1u);
}

TEST(CallMetadataTest, WhatCannotBeSentIsRefused) {
  EXPECT_THAT(ErrorOf({.token = "sec\nret"}), Not(HasSubstr("sec")));
  EXPECT_THAT(ErrorOf({.token = std::string(5000, 'x')}), HasSubstr("5000 characters exceed 4096"));
  EXPECT_THAT(ErrorOf({.tenant = "a b"}), HasSubstr("tenant"));
  EXPECT_THAT(ErrorOf({.caller = std::string(65, 'x')}), HasSubstr("caller"));
  EXPECT_THAT(ErrorOf({.caller = "\x80"}), HasSubstr("caller"));
}

}  // namespace
}  // namespace dcac::client::internal
