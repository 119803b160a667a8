#include "client/internal/codec_choice.h"

#include <gtest/gtest.h>

namespace dcac::client::internal {
namespace {

using std::chrono::nanoseconds;

constexpr std::uint64_t kBytes = 100'000;

CallKind Kind(DType dtype = DType::kU8) {
  return {.compresses = true, .dtype = dtype, .level = 5, .bytes = kBytes};
}

// Makes calls that take `client` and `server` nanoseconds for a byte; returns how many of them went to the server.
int Calls(CodecChoice& choice, int calls, int client, int server, const CallKind& kind = Kind()) {
  int on_server = 0;
  for (int i = 0; i < calls; ++i) {
    const Codec place = choice.Choose(kind);
    on_server += place == Codec::kServer ? 1 : 0;
    choice.Record(kind, place, kBytes, nanoseconds(kBytes * (place == Codec::kServer ? server : client)));
  }
  return on_server;
}

TEST(CodecChoiceTest, FirstCallsGoToBothPlaces) {
  CodecChoice choice;
  EXPECT_EQ(choice.Choose(Kind()), Codec::kClient);
  EXPECT_EQ(choice.Choose(Kind()), Codec::kServer);
  EXPECT_EQ(choice.Choose(Kind()), Codec::kClient) << "while no answer came yet";
}

TEST(CodecChoiceTest, CheaperPlaceGetsTheCalls) {
  CodecChoice slow_link, fast_link;
  EXPECT_EQ(Calls(slow_link, 30, 10, 15), 1);
  EXPECT_EQ(Calls(fast_link, 30, 15, 10), 29);
}

TEST(CodecChoiceTest, OtherPlaceIsTriedNowAndThen) {
  CodecChoice similar, different;
  const int similar_trials = Calls(similar, 10'000, 10, 11), different_trials = Calls(different, 10'000, 10, 1000);
  EXPECT_GT(similar_trials, 10'000 / 64);
  EXPECT_LT(similar_trials, 10'000 / 16);
  EXPECT_GE(different_trials, 5);
  EXPECT_LT(different_trials, 20);
}

TEST(CodecChoiceTest, ChangesAreNoticed) {
  CodecChoice choice;
  EXPECT_LE(Calls(choice, 100, 10, 20), 3);
  Calls(choice, 500, 10, 2);
  EXPECT_GE(Calls(choice, 100, 10, 2), 90) << "the server became faster";
  Calls(choice, 2000, 1, 2);
  EXPECT_LE(Calls(choice, 100, 1, 2), 10) << "this process became faster";
}

TEST(CodecChoiceTest, ClassesOfCallsAreApart) {
  CodecChoice choice;
  Calls(choice, 10, 10, 20, Kind(DType::kU8));
  Calls(choice, 10, 20, 10, Kind(DType::kF32));
  EXPECT_EQ(choice.Choose(Kind(DType::kU8)), Codec::kClient);
  EXPECT_EQ(choice.Choose(Kind(DType::kI8)), Codec::kClient) << "the same class";
  EXPECT_EQ(choice.Choose(Kind(DType::kF32)), Codec::kServer);
  CallKind other = Kind(DType::kF32);
  other.compresses = false;
  EXPECT_EQ(choice.Choose(other), Codec::kClient) << "nothing is known of it";
  EXPECT_EQ(choice.Choose({.compresses = false, .dtype = {}, .level = 0, .bytes = {}}), Codec::kClient);
}

TEST(CodecChoiceTest, FailingServerIsLeftAloneForAWhile) {
  CodecChoice choice;
  Calls(choice, 10, 20, 10);
  EXPECT_EQ(choice.Choose(Kind()), Codec::kServer);
  choice.RecordFailure(Kind());
  EXPECT_EQ(Calls(choice, 30, 20, 10), 0);
  EXPECT_GT(Calls(choice, 1000, 20, 10), 600) << "it came back";
}

TEST(CodecChoiceTest, EmptyTensorsAreNoTrouble) {
  CodecChoice choice;
  const CallKind empty{.compresses = true, .dtype = DType::kC128, .level = 9, .bytes = 0};
  for (int i = 0; i < 100; ++i) choice.Record(empty, choice.Choose(empty), 0, nanoseconds(0));
}

}  // namespace
}  // namespace dcac::client::internal
