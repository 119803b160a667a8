#include "server/listen_address.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "server/option_checks.h"

namespace dcac::server {
namespace {

using ::testing::ElementsAre;
using ::testing::FieldsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(ListenAddressTest, UnixSocketsAndLoopbackArePrivate) {
  for (const char* text : {"unix:/run/dcac.sock", "unix:relative", "127.0.0.1:0", "127.8.9.10:50051", "[::1]:50051",
                           "[::ffff:127.0.0.1]:50051", "[0:0:0:0:0:0:0:1]:1"}) {
    const auto address = ParseListenAddress(text);
    ASSERT_TRUE(address.ok()) << address.status();
    EXPECT_TRUE(address->is_private) << text;
  }
}

TEST(ListenAddressTest, EverythingElseIsNot) {
  for (const char* text :
       {"0.0.0.0:50051", "[::]:50051", ":50051", "*:50051", "192.168.1.1:50051", "[fe80::1]:50051",
        "[::ffff:10.0.0.1]:1", "[::ffff:0.0.0.0]:1", "[::127.0.0.1]:1", "example.com:50051", "127.1:50051",
        "2130706433:1", "0x7f000001:1", "localhost.example.com:1", "127.0.0.1.example.com:1", "[::1%lo]:1"}) {
    const auto address = ParseListenAddress(text);
    ASSERT_TRUE(address.ok()) << address.status();
    EXPECT_FALSE(address->is_private) << text;
  }
}

TEST(ListenAddressTest, PartsAreFound) {
  const ListenAddress unix_socket = ParseListenAddress("unix:/run/dcac.sock").value();
  EXPECT_TRUE(unix_socket.is_unix);
  EXPECT_EQ(unix_socket.path, "/run/dcac.sock");
  const ListenAddress v6 = ParseListenAddress("[::1]:65535").value();
  EXPECT_FALSE(v6.is_unix);
  EXPECT_EQ(v6.host, "::1");
  EXPECT_EQ(v6.port, 65535);
}

TEST(ListenAddressTest, WrongAddressesAreRefused) {
  for (const std::string& text :
       {std::string(""), std::string("localhost"), std::string("localhost:"), std::string("localhost:x"),
        std::string("localhost:65536"), std::string("localhost:-1"), std::string("::1:50051"), std::string("[::1]"),
        std::string("ipv4:127.0.0.1:1"), std::string("dns:///localhost:1"), std::string("unix-abstract:name"),
        std::string("vsock:1:2"), std::string("unix:"), std::string("unix:/a%2fb"), "unix:/" + std::string(107, 'x')}) {
    EXPECT_EQ(ParseListenAddress(text).status().code(), absl::StatusCode::kInvalidArgument) << text;
  }
}

class OptionChecksTest : public ::testing::Test {
 protected:
  OptionChecksTest() { open_.listen = {"127.0.0.1:0", "0.0.0.0:50051"}; }

  static std::string ErrorOf(const ServerOptions& options) { return std::string(CheckOptions(options).message()); }

  const TlsFiles tls_{.certificate = "tls.crt", .key = "tls.key"};
  ServerOptions open_;  // listens where others can connect
};

TEST_F(OptionChecksTest, DefaultsAreFine) {
  EXPECT_TRUE(CheckOptions(ServerOptions()).ok());
}

TEST_F(OptionChecksTest, OpenAddressNeedsTlsAndAuthentication) {
  EXPECT_THAT(ErrorOf(open_), HasSubstr("0.0.0.0:50051 can be reached from other machines"));
  EXPECT_THAT(ErrorOf(open_), HasSubstr("found neither"));
  open_.token_file = "tokens";
  EXPECT_THAT(ErrorOf(open_), HasSubstr("found authentication alone"));
  open_.tls = tls_;
  EXPECT_TRUE(CheckOptions(open_).ok());
  open_.token_file.clear();
  EXPECT_THAT(ErrorOf(open_), HasSubstr("found TLS alone"));
  open_.tls.client_ca = "ca.crt";
  EXPECT_TRUE(CheckOptions(open_).ok());
}

TEST_F(OptionChecksTest, InsecureListensAnyway) {
  open_.insecure = true;
  EXPECT_TRUE(CheckOptions(open_).ok());
  EXPECT_THAT(OptionWarnings(open_),
              ElementsAre(FieldsAre(true, "insecure: 0.0.0.0:50051 can be reached from other machines without TLS")));
  open_.tls = tls_;
  open_.token_file = "tokens";
  EXPECT_THAT(OptionWarnings(open_), IsEmpty());
}

TEST_F(OptionChecksTest, TlsFilesGoTogether) {
  ServerOptions options;
  options.tls.key = "tls.key";
  EXPECT_THAT(ErrorOf(options), HasSubstr("tls_key_file without tls_certificate_file"));
  options.tls = {.certificate = "tls.crt"};
  EXPECT_THAT(ErrorOf(options), HasSubstr("tls_certificate_file without tls_key_file"));
  options.tls = {.client_ca = "ca.crt"};
  EXPECT_THAT(ErrorOf(options), HasSubstr("tls_client_ca_file without"));
}

}  // namespace
}  // namespace dcac::server
