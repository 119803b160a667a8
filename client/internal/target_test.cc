#include "client/internal/target.h"

#include <gtest/gtest.h>

namespace dcac::client::internal {
namespace {

std::vector<Target> Parse(std::string_view text) {
  const auto targets = ParseTargets(text);
  EXPECT_TRUE(targets.ok()) << targets.status();
  return targets.ok() ? *targets : std::vector<Target>();
}

TEST(TargetTest, EachElementIsATarget) {
  EXPECT_EQ(Parse("unix:/run/a"), (std::vector<Target>{{"unix:/run/a", true}}));
  EXPECT_EQ(Parse("unix:/run/a,unix:/run/b"), (std::vector<Target>{{"unix:/run/a", true}, {"unix:/run/b", true}}));
  EXPECT_EQ(Parse("a:1,b:2"), (std::vector<Target>{{"a:1", false}, {"b:2", false}}));
}

TEST(TargetTest, AddressesOfAListStayTogether) {
  EXPECT_EQ(Parse("ipv4:127.0.0.1:1,127.0.0.2:2,unix:/s,dns:///h:3"),
            (std::vector<Target>{{"ipv4:127.0.0.1:1,127.0.0.2:2", true}, {"unix:/s", true}, {"dns:///h:3", false}}));
  EXPECT_EQ(Parse("ipv6:[::1]:1,[2001:db8::1]:2"), (std::vector<Target>{{"ipv6:[::1]:1,[2001:db8::1]:2", false}}));
}

TEST(TargetTest, LocalIsWhatStaysOnThisMachine) {
  for (const char* local : {"unix:s", "unix-abstract:s", "localhost:1", "127.0.0.1:1", "127.8.9.10:1", "[::1]:1",
                            "ipv4:127.0.0.1:1", "ipv6:[::1]:1", "dns:localhost:1", "dns:///127.0.0.1:1"}) {
    EXPECT_TRUE(Parse(local)[0].local) << local;
  }
  for (const char* remote :
       {"localhost.example.com:1", "127.example.com:1", "10.0.0.1:1", "[::2]:1", "[::]:1", "dns:///example.com:1",
        "dns://127.0.0.1/example.com:1", "dns://127.0.0.1", "ipv4:127.0.0.1:1,10.0.0.1:1", "0.0.0.0:1"}) {
    EXPECT_FALSE(Parse(remote)[0].local) << remote;
  }
}

TEST(TargetTest, WhatIsNoAddressIsRefused) {
  for (const std::string& text : {std::string(), std::string("unix:"), std::string("a:1,"), std::string(",a:1"),
                                  "unix:/" + std::string(107, 'x')}) {
    EXPECT_EQ(ParseTargets(text).status().code(), absl::StatusCode::kInvalidArgument) << text;
  }
  EXPECT_TRUE(ParseTargets("unix:/" + std::string(106, 'x')).ok());
}

}  // namespace
}  // namespace dcac::client::internal
