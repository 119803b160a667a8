#include "server/grants.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <sstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "server/grant_authenticator.h"
#include "server/small_file.h"
#include "server/temp_file.h"
#include "server/token_commands.h"

namespace dcac::server {
namespace {

using std::chrono::sys_days;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;
using namespace std::chrono_literals;

constexpr char kToken[] = "the-token-of-the-trainer";

// An entry with everything right, but for what is replaced.
std::string Entry(const std::string& from = "", const std::string& to = "") {
  std::string text =
      absl::StrCat("[[token]]\nname = 'trainer'\ntenant = 'vision'\nscopes = ['read', 'write']\nsha256 = '",
                   HashText(HashToken(kToken)), "'\nexpires = 2030-01-01T01:00:00+01:00\n");
  if (!from.empty()) text.replace(text.find(from), from.size(), to);
  return text;
}

TEST(GrantsTest, FindsTokens) {
  const Grants grants = Grants::Parse(Entry(), "tokens").value();
  const Grant* const grant = grants.FindToken(kToken);
  ASSERT_NE(grant, nullptr);
  EXPECT_EQ(grant->name, "trainer");
  EXPECT_EQ(grant->tenant, "vision");
  EXPECT_TRUE(grant->Has(Scope::kRead) && grant->Has(Scope::kWrite) && grant->Has(Scope::kAny));
  EXPECT_FALSE(grant->Has(Scope::kAdmin));
  EXPECT_EQ(grant->expiry, sys_days(2030y / 1 / 1));
  for (const std::string& other : {std::string(), std::string(kToken) + " ", HashText(HashToken(kToken))}) {
    EXPECT_EQ(grants.FindToken(other), nullptr);
  }
}

TEST(GrantsTest, HashIsSha256) {
  EXPECT_EQ(HashText(HashToken("abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(GrantsTest, FindsCertificates) {
  const Grants grants =
      Grants::Parse("[[certificate]]\ncommon_name = 'Node 7'\nname = 'n'\ntenant = 't'\nscopes = ['admin']\n", "tokens")
          .value();
  ASSERT_NE(grants.FindCertificate("Node 7"), nullptr);
  EXPECT_TRUE(grants.FindCertificate("Node 7")->Has(Scope::kAdmin));
  EXPECT_EQ(grants.FindCertificate("Node"), nullptr);
  EXPECT_EQ(grants.FindCertificate(""), nullptr);
}

TEST(GrantsTest, WrongEntriesAreNamedWithTheirPlace) {
  const struct {
    std::string text;
    const char* error;
  } cases[] = {
      {"tokens", "tokens:1: "},
      {"token = 1\n", "in double brackets"},
      {"[token]\nname = 'x'\n", "in double brackets"},
      {"tokens = []\n", "tokens:1: unknown key tokens"},
      {Entry("name = 'trainer'\n"), "no name"},
      {Entry("'trainer'", "'a\\nb'"), "name: expected"},
      {Entry("'trainer'", "7"), "tokens:2: name: expected a string"},
      {Entry("'vision'", "''"), "tenant: expected"},
      {Entry("'vision'", "'" + std::string(65, 'x') + "'"), "tenant: expected"},
      {Entry("['read', 'write']", "[]"), "scopes: expected"},
      {Entry("['read', 'write']", "['any']"), "scopes: expected"},
      {Entry("['read', 'write']", "'read'"), "scopes: expected"},
      {Entry("sha256 = '", "sha256 = '0"), "sha256: expected 64"},
      {Entry("2030-01-01T01:00:00+01:00", "2030-01-01T01:00:00"), "expires: expected"},
      {Entry("2030-01-01T01:00:00+01:00", "'tomorrow'"), "expires: expected"},
      {Entry("expires", "expire"), "tokens:6: unknown key expire"},
      {Entry() + Entry("'trainer'", "'other'"), "tokens:7: sha256: an earlier token is the same"},
  };
  for (const auto& each : cases) {
    const absl::Status status = Grants::Parse(each.text, "tokens").status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << each.text;
    EXPECT_THAT(std::string(status.message()), HasSubstr(each.error)) << each.text;
  }
}

TEST(GrantsTest, FilesThatAllMayReadAreRefused) {
  const TempFile file(Entry());
  file.SetMode(0640);
  EXPECT_EQ(ReadSmallFile(file.path(), Secrecy::kSecret).value(), Entry());
  for (const mode_t mode : {0644, 0602, 0601}) {
    file.SetMode(mode);
    EXPECT_THAT(std::string(ReadSmallFile(file.path(), Secrecy::kSecret).status().message()), HasSubstr("all users"));
    EXPECT_TRUE(ReadSmallFile(file.path(), Secrecy::kOpen).ok());
  }
}

TEST(TokenCommandsTest, NewTokenIsGoodAtOnce) {
  std::ostringstream entry;
  std::ostringstream secret;
  ASSERT_TRUE(MakeToken({.name = "a", .tenant = "b", .scopes = {"read", "admin"}}, entry, secret).ok());
  const std::string token = secret.str().substr(0, secret.str().find('\n'));
  EXPECT_THAT(token, StartsWith("dcac_"));
  EXPECT_GE(token.size(), 5u + 43u) << "256 bits in base64";
  EXPECT_THAT(entry.str(), Not(HasSubstr(token)));
  const Grants grants = Grants::Parse(entry.str(), "tokens").value();
  ASSERT_NE(grants.FindToken(token), nullptr);
  EXPECT_TRUE(grants.FindToken(token)->Has(Scope::kAdmin));
  std::ostringstream again;
  ASSERT_TRUE(MakeToken({.name = "a", .tenant = "b", .scopes = {"read"}}, entry, again).ok());
  EXPECT_NE(again.str(), secret.str());
}

TEST(TokenCommandsTest, WrongRequestsAreRefused) {
  std::ostringstream out;
  for (const NewToken& wrong :
       {NewToken{"a\"", "b", {"read"}}, NewToken{"a", "", {"read"}}, NewToken{"a", "b", {"all"}}}) {
    EXPECT_EQ(MakeToken(wrong, out, out).code(), absl::StatusCode::kInvalidArgument);
  }
  EXPECT_EQ(out.str(), "");
}

TEST(TokenCommandsTest, HashesTheFirstLine) {
  std::istringstream in(std::string(kToken) + "\nmore\n");
  std::ostringstream out;
  ASSERT_TRUE(PrintTokenHash(in, out).ok());
  EXPECT_EQ(out.str(), "sha256 = \"" + HashText(HashToken(kToken)) + "\"\n");
  for (const std::string& wrong : {std::string(), std::string("password\n"), std::string(5000, 'x')}) {
    std::istringstream input(wrong);
    EXPECT_EQ(PrintTokenHash(input, out).code(), absl::StatusCode::kInvalidArgument);
  }
}

class GrantAuthenticatorTest : public ::testing::Test {
 protected:
  static Grants MakeGrants() {
    return Grants::Parse(
               Entry() + "[[certificate]]\ncommon_name = 'node'\nname = 'n'\ntenant = 'nodes'\nscopes = ['read']\n",
               "tokens")
        .value();
  }

  absl::StatusCode CodeOf(const Credentials& credentials, Scope scope = Scope::kRead) const {
    const absl::Status status = authenticator_.Authenticate(credentials, scope).status();
    EXPECT_THAT(std::string(status.message()), Not(HasSubstr("the-token"))) << "messages say nothing about tokens";
    return status.code();
  }

  std::chrono::system_clock::time_point now_ = sys_days(2029y / 12 / 31);
  GrantAuthenticator authenticator_{MakeGrants(), [this] { return now_; }};
  const std::string bearer_ = absl::StrCat("Bearer ", kToken);
};

TEST_F(GrantAuthenticatorTest, TokenGivesItsTenant) {
  EXPECT_EQ(authenticator_.Authenticate({.authorization = bearer_}, Scope::kRead)->tenant, "vision");
  EXPECT_EQ(authenticator_.Authenticate({.authorization = bearer_, .tenant = "vision"}, Scope::kWrite)->tenant,
            "vision");
  EXPECT_EQ(CodeOf({.authorization = absl::StrCat("bearer ", kToken)}), absl::StatusCode::kOk);
}

TEST_F(GrantAuthenticatorTest, WhatIsWrongIsRefused) {
  EXPECT_EQ(CodeOf({}), absl::StatusCode::kUnauthenticated);
  for (const std::string& wrong : {std::string("Bearer "), std::string("Bearer"), std::string(kToken),
                                   absl::StrCat("Basic ", kToken), bearer_ + "x", absl::StrCat("Bearer  ", kToken)}) {
    EXPECT_EQ(CodeOf({.authorization = wrong}), absl::StatusCode::kUnauthenticated) << wrong;
    EXPECT_EQ(CodeOf({.authorization = wrong, .certificate_name = "node"}), absl::StatusCode::kUnauthenticated);
  }
  EXPECT_EQ(CodeOf({.authorization = bearer_, .tenant = "other"}), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(CodeOf({.authorization = bearer_}, Scope::kAdmin), absl::StatusCode::kPermissionDenied);
}

TEST_F(GrantAuthenticatorTest, TokensExpire) {
  now_ = sys_days(2030y / 1 / 1) - 1s;
  EXPECT_EQ(CodeOf({.authorization = bearer_}), absl::StatusCode::kOk);
  now_ += 1s;
  EXPECT_EQ(CodeOf({.authorization = bearer_}), absl::StatusCode::kUnauthenticated);
}

TEST_F(GrantAuthenticatorTest, TokensOfTheLastYearAreGood) {
  authenticator_.SetGrants(Grants::Parse(Entry("2030-01-01T01:00:00+01:00", "9999-12-31T23:59:59Z"), "tokens").value());
  EXPECT_EQ(CodeOf({.authorization = bearer_}), absl::StatusCode::kOk);
}

TEST_F(GrantAuthenticatorTest, CertificateStandsInForAToken) {
  EXPECT_EQ(authenticator_.Authenticate({.certificate_name = "node"}, Scope::kRead)->tenant, "nodes");
  EXPECT_EQ(CodeOf({.certificate_name = "node"}, Scope::kWrite), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(CodeOf({.certificate_name = "other"}), absl::StatusCode::kUnauthenticated);
}

TEST_F(GrantAuthenticatorTest, NewGrantsReplaceTheOld) {
  authenticator_.SetGrants(Grants());
  EXPECT_EQ(CodeOf({.authorization = bearer_}), absl::StatusCode::kUnauthenticated);
}

TEST(CertificateAuthenticatorTest, CommonNameIsTheTenant) {
  const CertificateAuthenticator authenticator;
  EXPECT_EQ(authenticator.Authenticate({.certificate_name = "node"}, Scope::kWrite)->tenant, "node");
  EXPECT_EQ(authenticator.Authenticate({.certificate_name = "node"}, Scope::kAdmin).status().code(),
            absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(authenticator.Authenticate({.tenant = "other", .certificate_name = "node"}, Scope::kRead).status().code(),
            absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(authenticator.Authenticate({}, Scope::kRead).status().code(), absl::StatusCode::kUnauthenticated);
}

}  // namespace
}  // namespace dcac::server
