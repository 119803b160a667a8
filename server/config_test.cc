#include "server/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

namespace dcac::server {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

struct Parsed {
  Config config;
  std::string out;
  std::string err;
};

Parsed Parse(const std::vector<std::string>& arguments, const Environment& environment = {}) {
  std::ostringstream out;
  std::ostringstream err;
  Config config = ParseCommandLine(arguments, environment, out, err);
  return {config, out.str(), err.str()};
}

TEST(ConfigTest, ListensOnLoopbackByDefault) {
  const Parsed parsed = Parse({});
  EXPECT_EQ(parsed.config.action, Config::Action::kServe);
  EXPECT_THAT(parsed.config.server.listen, ElementsAre("127.0.0.1:50051"));
}

TEST(ConfigTest, TakesEveryOption) {
  const Config config =
      Parse({"--listen=unix:/run/dcac/s", "--listen", "[::1]:0", "--threads=3", "--max-tensor-bytes=2GiB",
             "--max-slab-bytes=1048576", "--max-streams=7", "--lame-duck-ms=300", "--drain-seconds=5"})
          .config;
  EXPECT_THAT(config.server.listen, ElementsAre("unix:/run/dcac/s", "[::1]:0"));
  EXPECT_EQ(config.server.threads, 3);
  EXPECT_EQ(config.server.limits.max_tensor_bytes, std::uint64_t{2} << 30);
  EXPECT_EQ(config.server.limits.max_slab_bytes, 1u << 20);
  EXPECT_EQ(config.server.limits.max_streams, 7u);
  EXPECT_EQ(config.server.lame_duck, std::chrono::milliseconds(300));
  EXPECT_EQ(config.server.drain, std::chrono::seconds(5));
}

TEST(ConfigTest, HealthNeedsAnAddress) {
  const Parsed probe = Parse({"health", "unix:/run/dcac/s"});
  EXPECT_EQ(probe.config.action, Config::Action::kProbeHealth);
  EXPECT_EQ(probe.config.health_target, "unix:/run/dcac/s");
  EXPECT_EQ(Parse({"--listen", "unix:/a", "health", "unix:/b"}).config.health_target, "unix:/b");
  const Parsed none = Parse({"health"});
  EXPECT_EQ(none.config.action, Config::Action::kExit);
  EXPECT_EQ(none.config.exit_status, 2);
}

TEST(ConfigTest, VersionAndHelpSucceed) {
  const Parsed version = Parse({"--version"});
  EXPECT_EQ(version.config.action, Config::Action::kExit);
  EXPECT_EQ(version.config.exit_status, 0);
  EXPECT_THAT(version.out, HasSubstr("dcac-server "));
  EXPECT_THAT(Parse({"--help"}).out, HasSubstr("--max-slab-bytes"));
}

TEST(ConfigTest, SwitchesNeedNoValue) {
  EXPECT_TRUE(Parse({"--insecure"}).config.server.insecure);
  EXPECT_FALSE(Parse({"--bdp-probe=false"}).config.server.connections.bdp_probe);
  EXPECT_EQ(Parse({"--insecure", "health", "unix:/a"}).config.health_target, "unix:/a");
}

TEST(ConfigTest, PrintsAndChecks) {
  const Parsed printed = Parse({"--print-config", "--threads=3"}, {{"DCAC_SERVER_MAX_STREAMS", "4"}});
  EXPECT_EQ(printed.config.action, Config::Action::kExit);
  EXPECT_EQ(printed.config.exit_status, 0);
  EXPECT_THAT(printed.out, HasSubstr("threads = 3  # flag\n"));
  EXPECT_THAT(printed.out, HasSubstr("max_streams = 4  # DCAC_SERVER_MAX_STREAMS\n"));
  EXPECT_EQ(Parse({"--check-config"}).config.action, Config::Action::kCheckConfig);
  EXPECT_EQ(Parse({"--check-config", "--config=/no/such"}).config.exit_status, 2);
}

TEST(ConfigTest, TokensAreMadeForSomebody) {
  const Config config = Parse({"new-token", "--name=a", "--tenant=b", "--scopes=read,write"}).config;
  EXPECT_EQ(config.action, Config::Action::kNewToken);
  EXPECT_EQ(config.new_token.tenant, "b");
  EXPECT_THAT(config.new_token.scopes, ElementsAre("read", "write"));
  EXPECT_EQ(Parse({"new-token", "--name=a"}).config.exit_status, 2);
  EXPECT_EQ(Parse({"hash-token"}).config.action, Config::Action::kHashToken);
}

TEST(ConfigTest, WrongVariableDoesNotBreakTheHealthCheck) {
  EXPECT_EQ(Parse({"health", "unix:/a"}, {{"DCAC_SERVER_THREADS", "x"}}).config.action, Config::Action::kProbeHealth);
}

TEST(ConfigTest, WrongValuesAreUsageErrors) {
  for (const char* wrong :
       {"--threads=-1", "--threads=x", "--max-streams=0", "--lame-duck-ms=-5", "--no-such", "extra"}) {
    const Parsed parsed = Parse({wrong});
    EXPECT_EQ(parsed.config.action, Config::Action::kExit) << wrong;
    EXPECT_EQ(parsed.config.exit_status, 2) << wrong;
    EXPECT_FALSE(parsed.err.empty()) << wrong;
  }
}

}  // namespace
}  // namespace dcac::server
