// The program dcac-server: its configuration, and SIGHUP.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "dcac/v1/compression.grpc.pb.h"
#include "server/grants.h"
#include "tests/integration/fixture.h"
#include "tests/integration/raw_calls.h"
#include "tests/integration/server_process.h"
#include "tests/integration/test_authority.h"

namespace dcac::testing {
namespace {

using server::Method;
using ::testing::HasSubstr;

class ReloadTest : public ::testing::Test {
 protected:
  std::string Write(const std::string& name, const std::string& content) const {
    const std::string path = folder_.File(name);
    std::ofstream(path) << content;
    std::filesystem::permissions(path, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
    return path;
  }
  std::string WriteToken(const std::string& token) const {
    return Write("tokens", absl::StrCat("[[token]]\nname = 'n'\ntenant = 't'\nscopes = ['read']\nsha256 = '",
                                        server::HashText(server::HashToken(token)), "'\n"));
  }
  std::string WriteConfig(const std::string& more = "") const {
    return Write("config", absl::StrCat("listen = ['", address_, "']\ntoken_file = '", folder_.File("tokens"),
                                        "'\nlame_duck_ms = 0\n", more));
  }

  const TempFolder folder_;
  const std::string address_ = "unix:" + folder_.File("socket");
};

TEST_F(ReloadTest, SighupReadsTokensAndSettingsAgain) {
  WriteToken("first");
  ServerProcess server({"--config=" + WriteConfig()});
  ASSERT_THAT(server.first_line(), HasSubstr("listening on " + address_));
  const auto channel = MakeChannel(address_, grpc::InsecureChannelCredentials());
  EXPECT_TRUE(Call(channel, Method::kGetCapabilities, WithToken("first")).ok());

  WriteToken("second");
  WriteConfig("max_streams = 77\n");
  server.Signal(SIGHUP);
  EXPECT_TRUE(Eventually([&] { return Call(channel, Method::kGetCapabilities, WithToken("second")).ok(); }));
  EXPECT_EQ(Call(channel, Method::kGetCapabilities, WithToken("first")).error_code(),
            grpc::StatusCode::UNAUTHENTICATED);
  const auto stub = v1::CompressionService::NewStub(channel);
  grpc::ClientContext context;
  AddMetadata(WithToken("second"), context);
  v1::GetCapabilitiesResponse response;
  ASSERT_TRUE(stub->GetCapabilities(&context, v1::GetCapabilitiesRequest(), &response).ok());
  EXPECT_EQ(response.max_streams(), 77u) << "settings are taken before tokens";
}

TEST_F(ReloadTest, WrongConfigurationDoesNotEndTheServer) {
  WriteToken("token");
  ServerProcess server({"--config=" + WriteConfig()});
  Write("config", "no configuration");
  server.Signal(SIGHUP);
  server.Signal(SIGTERM);
  EXPECT_EQ(server.Wait(), 0);
}

TEST_F(ReloadTest, FilesAreReadAgainFromTimeToTime) {
  WriteToken("first");
  ServerProcess server({"--config=" + WriteConfig("reload_interval = '10ms'\n")});
  const auto channel = MakeChannel(address_, grpc::InsecureChannelCredentials());
  EXPECT_TRUE(Call(channel, Method::kGetCapabilities, WithToken("first")).ok());
  WriteToken("second");
  EXPECT_TRUE(Eventually([&] { return Call(channel, Method::kGetCapabilities, WithToken("second")).ok(); }));
}

TEST_F(ReloadTest, OpenAddressNeedsTlsAndAuthentication) {
  const KeyPair pair = TestAuthority().Issue("server.test");
  const std::string certificate = "--tls-certificate-file=" + Write("tls.crt", pair.certificate);
  const std::string key = "--tls-key-file=" + Write("tls.key", pair.key);
  const std::string tokens = "--token-file=" + WriteToken("token");
  for (const std::vector<std::string>& arguments :
       std::vector<std::vector<std::string>>{{}, {certificate, key}, {tokens}}) {
    for (const char* address : {"0.0.0.0:0", "[::]:0", ":0"}) {
      std::vector<std::string> all = arguments;
      all.push_back(absl::StrCat("--listen=", address));
      ServerProcess server(all);
      EXPECT_THAT(server.first_line(), HasSubstr("can be reached from other machines"));
      EXPECT_EQ(server.Wait(), 2);
    }
  }
  const ServerProcess guarded({"--listen=0.0.0.0:0", certificate, key, tokens});
  EXPECT_THAT(guarded.first_line(), HasSubstr("listening on 0.0.0.0:"));
  const ServerProcess insecure({"--listen=0.0.0.0:0", "--insecure"});
  EXPECT_THAT(insecure.first_line(), HasSubstr("listening on 0.0.0.0:"));
}

// The datagrams of a service that runs under systemd.
class NotifySocket {
 public:
  explicit NotifySocket(const std::string& path) : descriptor_(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof(address.sun_path) - 1);
    const bool bound = bind(descriptor_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
    setenv("NOTIFY_SOCKET", bound ? path.c_str() : "", 1);
    const timeval patience{.tv_sec = 60, .tv_usec = 0};
    setsockopt(descriptor_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
  }
  NotifySocket(const NotifySocket&) = delete;
  NotifySocket& operator=(const NotifySocket&) = delete;
  ~NotifySocket() {
    unsetenv("NOTIFY_SOCKET");
    close(descriptor_);
  }

  // Empty: none came.
  std::string Next() const {
    std::string message(100, '\0');
    const ssize_t size = recv(descriptor_, message.data(), message.size(), 0);
    message.resize(static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
    return message;
  }

 private:
  const int descriptor_;
};

TEST_F(ReloadTest, ServiceManagerIsTold) {
  const NotifySocket manager(folder_.File("notify"));
  WriteToken("token");
  ServerProcess server({"--config=" + WriteConfig()});
  EXPECT_EQ(manager.Next(), "READY=1");
  server.Signal(SIGHUP);
  EXPECT_EQ(manager.Next(), "RELOADING=1");
  EXPECT_EQ(manager.Next(), "READY=1");
  server.Signal(SIGTERM);
  EXPECT_EQ(manager.Next(), "STOPPING=1");
  EXPECT_EQ(server.Wait(), 0);
}

TEST_F(ReloadTest, CheckConfigTellsGoodFromWrong) {
  WriteToken("token");
  EXPECT_EQ(ServerProcess({"--check-config", "--config=" + WriteConfig()}).Wait(), 0);
  ServerProcess unknown({"--check-config", "--config=" + WriteConfig("thread = 1\n")});
  EXPECT_THAT(unknown.first_line(), HasSubstr("config:4: unknown key thread"));
  EXPECT_EQ(unknown.Wait(), 2);
  ServerProcess misplaced(
      {"--check-config", "--config=" + WriteConfig(), "--store=local:" + folder_.File("tokens") + "/store"});
  EXPECT_THAT(misplaced.first_line(), HasSubstr("store: " + folder_.File("tokens")));
  EXPECT_EQ(misplaced.Wait(), 2);
  Write("tokens", "no tokens");
  EXPECT_EQ(ServerProcess({"--check-config", "--config=" + WriteConfig()}).Wait(), 2);
}

}  // namespace
}  // namespace dcac::testing
