#include "server/setting_sources.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "server/config_text.h"
#include "server/temp_file.h"

namespace dcac::server {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

std::size_t IndexOf(std::string_view key) {
  return static_cast<std::size_t>(std::ranges::find(Settings(), key, &Setting::key) - Settings().begin());
}

std::string ErrorOf(const SettingSources& sources) {
  const absl::StatusOr<LoadedSettings> loaded = LoadSettings(sources);
  EXPECT_FALSE(loaded.ok());
  return loaded.ok() ? "" : std::string(loaded.status().message());
}

std::string ErrorOfFile(const std::string& content) {
  const TempFile file(content);
  SettingSources sources;
  sources.config_file = file.path();
  std::string error = ErrorOf(sources);
  EXPECT_THAT(error, StartsWith(file.path() + ":")) << content;
  return error.substr(std::min(error.size(), file.path().size()));
}

TEST(SettingSourcesTest, KeysAreUnique) {
  std::set<std::string_view> keys;
  for (const Setting& setting : Settings()) EXPECT_TRUE(keys.insert(setting.key).second) << setting.key;
  EXPECT_EQ(FlagName(Settings()[IndexOf("max_streams")]), "--max-streams");
  EXPECT_EQ(EnvironmentName(Settings()[IndexOf("max_streams")]), "DCAC_SERVER_MAX_STREAMS");
}

TEST(SettingSourcesTest, FlagsComeBeforeTheEnvironmentBeforeTheFileBeforeDefaults) {
  const TempFile file("threads = 1\nmax_streams = 1\nbudget_bytes = \"1MiB\"\n");
  SettingSources sources;
  sources.config_file = file.path();
  sources.environment = {{"DCAC_SERVER_THREADS", "2"}, {"DCAC_SERVER_MAX_STREAMS", "2"}};
  sources.flags[IndexOf("threads")] = {"3"};
  const LoadedSettings loaded = LoadSettings(sources).value();
  EXPECT_EQ(loaded.options.threads, 3);
  EXPECT_EQ(loaded.options.limits.max_streams, 2u);
  EXPECT_EQ(loaded.options.limits.budget_bytes, 1u << 20);
  EXPECT_EQ(loaded.options.limits.max_slab_bytes, ServerOptions().limits.max_slab_bytes);
  EXPECT_EQ(loaded.origins[IndexOf("threads")], "flag");
  EXPECT_EQ(loaded.origins[IndexOf("max_streams")], "DCAC_SERVER_MAX_STREAMS");
  EXPECT_EQ(loaded.origins[IndexOf("budget_bytes")], file.path() + ":3");
  EXPECT_EQ(loaded.origins[IndexOf("max_slab_bytes")], "default");
}

TEST(SettingSourcesTest, ListsReplaceEachOther) {
  const TempFile file("listen = ['unix:/a', 'unix:/b']\n");
  SettingSources sources;
  sources.environment = {{"DCAC_SERVER_CONFIG", file.path()}};
  EXPECT_THAT(LoadSettings(sources)->options.listen, ElementsAre("unix:/a", "unix:/b"));
  sources.environment["DCAC_SERVER_LISTEN"] = "unix:/c,[::1]:1";
  EXPECT_THAT(LoadSettings(sources)->options.listen, ElementsAre("unix:/c", "[::1]:1"));
  sources.flags[IndexOf("listen")] = {"unix:/d"};
  EXPECT_THAT(LoadSettings(sources)->options.listen, ElementsAre("unix:/d"));
}

TEST(SettingSourcesTest, WhatIsUnknownIsNamedWithItsPlace) {
  EXPECT_THAT(ErrorOfFile("threads = 1\nthread = 2\n"), HasSubstr(":2: unknown key thread"));
  EXPECT_THAT(ErrorOfFile("\n\n[tls]\nkey = 'x'\n"), HasSubstr(":3: unknown section [tls]"));
  SettingSources sources;
  sources.environment = {{"DCAC_SERVER_THREAD", "2"}};
  EXPECT_THAT(ErrorOf(sources), HasSubstr("DCAC_SERVER_THREAD"));
}

TEST(SettingSourcesTest, WrongValuesAreNamedWithTheirPlace) {
  EXPECT_THAT(ErrorOfFile("threads = \"2\"\n"), HasSubstr(":1: threads: expected an integer"));
  EXPECT_THAT(ErrorOfFile("threads = 5000\n"), HasSubstr(":1: threads: found 5000, expected 0 to 1024"));
  EXPECT_THAT(ErrorOfFile("threads = -1\n"), HasSubstr(":1: threads"));
  EXPECT_THAT(ErrorOfFile("\nmax_streams = 0\n"), HasSubstr(":2: max_streams: found 0, expected at least 1"));
  EXPECT_THAT(ErrorOfFile("keepalive_time = 60\n"), HasSubstr("expected a duration"));
  EXPECT_THAT(ErrorOfFile("keepalive_time = '1ms'\n"), HasSubstr("expected 1s to 24h"));
  EXPECT_THAT(ErrorOfFile("insecure = 1\n"), HasSubstr("expected true or false"));
  EXPECT_THAT(ErrorOfFile("listen = [1]\n"), HasSubstr("expected an array of strings"));
  EXPECT_THAT(ErrorOfFile("log_level = 'loud'\n"), HasSubstr("found \"loud\", expected debug, info"));
  EXPECT_THAT(ErrorOfFile("token_file = \"a\\nb\"\n"), HasSubstr("control character"));
  SettingSources sources;
  sources.environment = {{"DCAC_SERVER_THREADS", "x"}};
  EXPECT_THAT(ErrorOf(sources), HasSubstr("DCAC_SERVER_THREADS: found \"x\""));
  sources.environment.clear();
  sources.flags[IndexOf("threads")] = {"1", "2"};
  EXPECT_THAT(ErrorOf(sources), HasSubstr("--threads: found 2 values, expected one"));
}

TEST(SettingSourcesTest, HostileFilesAreErrors) {
  const std::string deep = "a = " + std::string(100'000, '[');
  for (const std::string& content :
       {std::string("threads"), std::string("threads = 1\nthreads = 2\n"), std::string("= 1"), deep,
        std::string("a = \"\xff\""), std::string("\0\0\0", 3), std::string("a.b.c.d = 1\n"),
        std::string("threads = 99999999999999999999\n"), "a = {" + std::string(300, '{')}) {
    ErrorOfFile(content);
  }
}

TEST(SettingSourcesTest, FilesAreBoundedAndMustExist) {
  SettingSources sources;
  sources.config_file = "/no/such/file";
  EXPECT_THAT(ErrorOf(sources), HasSubstr("/no/such/file"));
  const TempFile large(std::string(std::size_t{2} << 20, '#'));
  sources.config_file = large.path();
  EXPECT_THAT(ErrorOf(sources), HasSubstr("at most"));
  sources.config_file = "/dev/zero";
  EXPECT_THAT(ErrorOf(sources), HasSubstr("regular file"));
}

TEST(SettingSourcesTest, VariablesOfServiceLinksAreNoSettings) {
  SettingSources sources;
  sources.environment = {{"DCAC_SERVER_SERVICE_HOST", "10.0.0.1"}, {"DCAC_SERVER_PORT_50051_TCP_PROTO", "tcp"}};
  EXPECT_TRUE(LoadSettings(sources).ok());
}

TEST(SettingSourcesTest, WhatIsPrintedIsReadAgain) {
  SettingSources sources;
  sources.flags[IndexOf("listen")] = {"unix:/with \"quotes\" and \\", "[::1]:0"};
  sources.flags[IndexOf("lame_duck_ms")] = {"1500ms"};
  sources.flags[IndexOf("budget_bytes")] = {"123"};
  const LoadedSettings first = LoadSettings(sources).value();
  const TempFile file(EffectiveConfig(first));
  SettingSources again;
  again.config_file = file.path();
  const LoadedSettings second = LoadSettings(again).value();
  for (const Setting& setting : Settings()) {
    EXPECT_EQ(TomlValue(setting, first.options), TomlValue(setting, second.options)) << setting.key;
  }
  EXPECT_THAT(EffectiveConfig(first), HasSubstr("lame_duck_ms = 1500  # flag\n"));
}

}  // namespace
}  // namespace dcac::server
