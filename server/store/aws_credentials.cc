#include "server/store/aws_credentials.h"

#include <cstdlib>
#include <fstream>
#include <string>
#include <string_view>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace dcac::store {
namespace {

constexpr std::size_t kMaxLines = 10'000;

std::string FirstOf(const Environment& environment, std::initializer_list<const char*> names,
                    std::string_view otherwise) {
  for (const char* name : names) {
    if (const auto value = environment(name); value && !value->empty()) return *value;
  }
  return std::string(otherwise);
}

std::string Stripped(std::string text) {
  absl::StripAsciiWhitespace(&text);
  return text;
}

// Reads one profile of a file of "[profile]" lines with "name = value" lines below.
AwsCredentials ReadProfile(std::istream& file, const std::string& profile) {
  AwsCredentials found;
  bool inside = false;
  std::string line;
  for (std::size_t i = 0; i < kMaxLines && std::getline(file, line); ++i) {
    line = Stripped(line);
    if (!line.empty() && line[0] == '[') inside = line == absl::StrCat("[", profile, "]");
    const std::size_t equals = line.find('=');
    if (!inside || equals == std::string::npos || line[0] == '#' || line[0] == ';') continue;
    const std::string name = Stripped(line.substr(0, equals));
    const std::string value = Stripped(line.substr(equals + 1));
    if (name == "aws_access_key_id") found.access_key = value;
    if (name == "aws_secret_access_key") found.secret_key = value;
    if (name == "aws_session_token") found.session_token = value;
  }
  return found;
}

}  // namespace

std::optional<std::string> ReadEnvironment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::nullopt : std::optional<std::string>(value);
}

absl::StatusOr<AwsCredentials> FindAwsCredentials(const Environment& environment) {
  AwsCredentials found{FirstOf(environment, {"AWS_ACCESS_KEY_ID"}, ""),
                       FirstOf(environment, {"AWS_SECRET_ACCESS_KEY"}, ""),
                       FirstOf(environment, {"AWS_SESSION_TOKEN"}, "")};
  if (!found.access_key.empty() && !found.secret_key.empty()) return found;
  const std::string home = absl::StrCat(FirstOf(environment, {"HOME"}, ""), "/.aws/credentials");
  const std::string path = FirstOf(environment, {"AWS_SHARED_CREDENTIALS_FILE"}, home);
  const std::string profile = FirstOf(environment, {"AWS_PROFILE"}, "default");
  std::ifstream file(path);
  found = ReadProfile(file, profile);
  if (!found.access_key.empty() && !found.secret_key.empty()) return found;
  return absl::FailedPreconditionError(
      absl::StrCat("no S3 credentials: expected AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or the profile \"",
                   profile, "\" in ", path));
}

std::string FindAwsRegion(const Environment& environment) {
  return FirstOf(environment, {"AWS_REGION", "AWS_DEFAULT_REGION"}, "us-east-1");
}

std::string FindAwsEndpoint(const Environment& environment) {
  return FirstOf(environment, {"AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"}, "");
}

}  // namespace dcac::store
