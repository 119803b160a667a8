#include "server/idle_watch.h"

#include <gtest/gtest.h>

#include <semaphore>

namespace dcac::server {
namespace {

struct Stream final : IdleWatch::Watched {
  void EndIfIdleSince(std::chrono::steady_clock::time_point moment) override {
    latest_moment = moment;
    looked.release();
  }
  std::chrono::steady_clock::time_point latest_moment;
  std::counting_semaphore<> looked{0};
};

TEST(IdleWatchTest, LooksAtWhatItWatches) {
  Stream stream;
  IdleWatch watch(std::chrono::milliseconds(4));
  const auto start = std::chrono::steady_clock::now();
  watch.Add(&stream);
  stream.looked.acquire();
  stream.looked.acquire();
  watch.Remove(&stream);
  EXPECT_GE(stream.latest_moment, start - std::chrono::milliseconds(4));
}

TEST(IdleWatchTest, EndsAtOnce) {
  IdleWatch watch(std::chrono::hours(100));
}

}  // namespace
}  // namespace dcac::server
