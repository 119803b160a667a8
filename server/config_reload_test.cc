#include "server/config_reload.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "server/temp_file.h"

namespace dcac::server {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::vector<std::string> Texts(const ReloadedSettings& reloaded) {
  std::vector<std::string> texts;
  for (const Notice& notice : reloaded.notices) texts.push_back(notice.text);
  return texts;
}

class ConfigReloadTest : public ::testing::Test {
 protected:
  ConfigReloadTest() {
    sources_.config_file = file_.path();
    running_ = LoadSettings(sources_)->options;
  }

  const TempFile file_{"max_streams = 5\nthreads = 2\n"};
  SettingSources sources_;
  ServerOptions running_;
};

TEST_F(ConfigReloadTest, NothingChanges) {
  const ReloadedSettings reloaded = ReloadSettings(sources_, running_);
  EXPECT_THAT(Texts(reloaded), IsEmpty());
  EXPECT_EQ(reloaded.options.limits.max_streams, 5u);
}

TEST_F(ConfigReloadTest, TakesWhatMayChangeAndNamesTheRest) {
  file_.Write("max_streams = 6\nthreads = 3\n");
  const ReloadedSettings reloaded = ReloadSettings(sources_, running_);
  EXPECT_THAT(Texts(reloaded),
              ElementsAre("threads: needs a restart to change from 2 to 3", "max_streams: 5 is now 6"));
  EXPECT_EQ(reloaded.options.limits.max_streams, 6u);
  EXPECT_EQ(reloaded.options.threads, 2);
}

TEST_F(ConfigReloadTest, WrongConfigurationChangesNothing) {
  for (const char* wrong : {"max_streams = 6\nthread = 3\n", "max_streams = 6\nlisten = '0.0.0.0:1'\n"}) {
    file_.Write(wrong);
    const ReloadedSettings reloaded = ReloadSettings(sources_, running_);
    EXPECT_THAT(Texts(reloaded), ElementsAre(HasSubstr("settings stay as they were: ")));
    EXPECT_EQ(reloaded.options.limits.max_streams, 5u);
  }
}

TEST_F(ConfigReloadTest, ReloadDoesNotOpenTheServer) {
  ServerOptions guarded;
  guarded.listen = {"0.0.0.0:1"};
  guarded.tls = {.certificate = "tls.crt", .key = "tls.key"};
  guarded.token_file = "tokens";
  file_.Write("insecure = true\n");
  const ReloadedSettings reloaded = ReloadSettings(sources_, guarded);
  EXPECT_EQ(reloaded.options.token_file, "tokens");
  EXPECT_EQ(reloaded.options.tls.certificate, "tls.crt");
  EXPECT_FALSE(reloaded.options.insecure);
}

}  // namespace
}  // namespace dcac::server
