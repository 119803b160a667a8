#include "server/place_checks.h"

#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "server/temp_file.h"

namespace dcac::server {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

class PlaceChecksTest : public ::testing::Test {
 protected:
  // What is said of the places of `options_`; nothing if they are there.
  std::string Found() const { return std::string(CheckPlaces(options_).message()); }

  const TempFile file_{"text"};
  const std::string folder_ = std::filesystem::temp_directory_path();
  ServerOptions options_;
};

TEST_F(PlaceChecksTest, StoresNeedAFolderOrThePlaceForIt) {
  const std::string folder = file_.path() + ".store";
  options_.store.location = "local:" + folder + "/a/b";
  EXPECT_EQ(Found(), "");
  EXPECT_FALSE(std::filesystem::exists(folder)) << "nothing is made";
  options_.store.location = "local:" + file_.path() + "/a";
  EXPECT_EQ(Found(), "store: " + file_.path() + ": found a file, expected a folder");
  if (geteuid() == 0) return;  // to whom every folder is open
  options_.store.location = "local:" + folder;
  std::filesystem::create_directory(folder);
  chmod(folder.c_str(), 0500);
  EXPECT_EQ(Found(), "store: " + folder + ": Permission denied");
  std::filesystem::remove(folder);
}

TEST_F(PlaceChecksTest, SocketsNeedTheirFolder) {
  options_.listen = {"unix:" + folder_ + "/dcac-none.sock"};
  EXPECT_EQ(Found(), "");
  options_.listen = {"unix:" + folder_ + "/dcac-none/sock"};
  EXPECT_EQ(Found(), "listen: " + folder_ + "/dcac-none: there is no such folder");
  options_.listen = {"unix:" + file_.path()};
  EXPECT_THAT(Found(), HasSubstr("no socket"));
}

TEST_F(PlaceChecksTest, AddressesAreThoseOfTheMachine) {
  options_.listen = {"127.0.0.1:50051", "0.0.0.0:50051", ":50051", "example.invalid:50051"};
  EXPECT_EQ(Found(), "") << "names are not looked up";
  options_.listen.push_back("192.0.2.1:50051");  // of no machine, RFC 5737
  EXPECT_THAT(Found(), StartsWith("listen: 192.0.2.1:50051: "));
  options_.listen.pop_back();
  options_.metrics_listen = "192.0.2.1:9464";
  EXPECT_THAT(Found(), StartsWith("metrics_listen: 192.0.2.1:9464: "));
}

}  // namespace
}  // namespace dcac::server
