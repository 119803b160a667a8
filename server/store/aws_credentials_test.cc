#include "server/store/aws_credentials.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <string>

#include "server/store/record.h"

namespace dcac::store {
namespace {

Environment Of(std::map<std::string, std::string> values) {
  return [values](const char* name) {
    const auto found = values.find(name);
    return found == values.end() ? std::nullopt : std::optional(found->second);
  };
}

TEST(AwsCredentials, VariablesComeFirst) {
  const auto found = FindAwsCredentials(
      Of({{"AWS_ACCESS_KEY_ID", "id"}, {"AWS_SECRET_ACCESS_KEY", "secret"}, {"AWS_SESSION_TOKEN", "token"}}));
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_EQ(found->access_key, "id");
  EXPECT_EQ(found->secret_key, "secret");
  EXPECT_EQ(found->session_token, "token");
}

TEST(AwsCredentials, ReadsTheProfile) {
  const auto path = std::filesystem::temp_directory_path() / RandomId();
  std::ofstream(path) << "[default]\naws_access_key_id = a\naws_secret_access_key = b\n"
                         "# [other]\n[other]\r\n aws_access_key_id=c\naws_secret_access_key = d=e\n";
  const auto by_default = FindAwsCredentials(Of({{"AWS_SHARED_CREDENTIALS_FILE", path.string()}}));
  const auto other = FindAwsCredentials(Of({{"AWS_SHARED_CREDENTIALS_FILE", path.string()}, {"AWS_PROFILE", "other"}}));
  const auto none = FindAwsCredentials(Of({{"AWS_SHARED_CREDENTIALS_FILE", path.string()}, {"AWS_PROFILE", "none"}}));
  std::filesystem::remove(path);
  ASSERT_TRUE(by_default.ok() && other.ok());
  EXPECT_EQ(by_default->access_key + by_default->secret_key, "ab");
  EXPECT_EQ(other->access_key + other->secret_key, "cd=e");
  EXPECT_EQ(none.status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST(AwsCredentials, FindsPlaces) {
  EXPECT_EQ(FindAwsRegion(Of({})), "us-east-1");
  EXPECT_EQ(FindAwsRegion(Of({{"AWS_REGION", "a"}, {"AWS_DEFAULT_REGION", "b"}})), "a");
  EXPECT_EQ(FindAwsEndpoint(Of({{"AWS_ENDPOINT_URL", "a"}, {"AWS_ENDPOINT_URL_S3", "b"}})), "b");
  EXPECT_EQ(FindAwsEndpoint(Of({})), "");
}

}  // namespace
}  // namespace dcac::store
