#include "core/base/in_order.h"

#include <oneapi/tbb/parallel_for.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <vector>

#include "gtest/gtest.h"

namespace dcac {
namespace {

TEST(InOrderTest, WorksOnPiecesInTheirOrderWhoeverIsDoneFirst) {
  InOrder in_order(4, 1);
  std::vector<size_t> worked;
  const auto done = [&](size_t piece) { in_order.Done(piece, [&](size_t next) { worked.push_back(next); }); };
  done(2);
  EXPECT_EQ(worked, std::vector<size_t>());
  done(0);
  EXPECT_EQ(worked, std::vector<size_t>({0}));
  done(1);
  EXPECT_EQ(worked, std::vector<size_t>({0, 1, 2}));
  done(3);
  EXPECT_EQ(worked, std::vector<size_t>({0, 1, 2, 3}));
}

TEST(InOrderTest, APieceWaitsForAllOfItsParts) {
  InOrder in_order(2, 2);
  std::vector<size_t> worked;
  const auto done = [&](size_t piece) { in_order.Done(piece, [&](size_t next) { worked.push_back(next); }); };
  done(1);
  done(0);
  done(1);
  EXPECT_EQ(worked, std::vector<size_t>());
  done(0);
  EXPECT_EQ(worked, std::vector<size_t>({0, 1}));
}

TEST(InOrderTest, LeavesPiecesToTheOneAtWork) {
  InOrder in_order(3, 1);
  std::vector<size_t> worked;
  const auto work = [&](size_t next) {
    worked.push_back(next);
    if (next == 0) {
      // As others would meanwhile, who return at once.
      in_order.Done(2, [](size_t) { FAIL() << "two at work"; });
      in_order.Done(1, [](size_t) { FAIL() << "two at work"; });
    }
  };
  in_order.Done(0, work);
  EXPECT_EQ(worked, std::vector<size_t>({0, 1, 2}));
}

TEST(InOrderTest, ThreadsMissNothing) {
  constexpr size_t kPieces = 2000, kParts = 3;
  InOrder in_order(kPieces, kParts);
  std::vector<size_t> worked;  // by one at a time
  std::atomic<int> at_work = 0, most_at_work = 0;
  tbb::parallel_for(size_t{0}, kPieces * kParts, [&](size_t i) {
    in_order.Done(i / kParts, [&](size_t next) {
      most_at_work = std::max(most_at_work.load(), ++at_work);
      worked.push_back(next);
      --at_work;
    });
  });
  std::vector<size_t> all(kPieces);
  for (size_t i = 0; i < kPieces; ++i) all[i] = i;
  EXPECT_EQ(worked, all);
  EXPECT_EQ(most_at_work, 1);
}

}  // namespace
}  // namespace dcac
