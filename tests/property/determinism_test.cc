// Equal input and options give equal bytes on any number of threads and in any
// floating-point environment of the caller, which finds its environment as it
// was.
#include <gtest/gtest.h>
#include <oneapi/tbb/global_control.h>
#include <oneapi/tbb/parallel_for.h>
#include <oneapi/tbb/task_arena.h>

#include <atomic>
#include <cfenv>
#include <functional>
#include <thread>

#include "dcac/codec.h"
#include "tests/testing/random.h"
#include "tests/testing/tensors.h"

#if defined(__SSE2__)
#include <xmmintrin.h>
#endif

namespace dcac {
namespace {

using testing::Content;
using testing::Random;
using Data = std::vector<std::byte>;

struct Case {
  TensorSpec spec;
  EncodeOptions options;
  Data data, frame;
};

// Several types, modes and segments; values down to the subnormals, where an
// environment would show.
const std::vector<Case>& Cases() {
  static const std::vector<Case> cases = [] {
    std::vector<Case> result;
    Random random(1);
    for (DType dtype : {DType::kU8, DType::kF16, DType::kBF16, DType::kF32}) {
      for (Mode mode : testing::AllModes()) {
        for (Content content : {Content::kReluLike, dtype == DType::kU8 ? Content::kVideo : Content::kExtremes}) {
          Case c;
          c.spec = {dtype, {2, 5, 26, 24}};
          c.options.mode = mode;
          c.options.segment_bytes = 8192;
          c.data = testing::MakeData(random, c.spec, content);
          tbb::task_arena one(1);
          c.frame = one.execute([&] { return *Compress(c.spec, c.data, c.options); });
          result.push_back(std::move(c));
        }
      }
    }
    return result;
  }();
  return cases;
}

void ExpectSameBytes(const Case& c) {
  SCOPED_TRACE(testing::Describe(c.spec, c.options));
  const auto frame = Compress(c.spec, c.data, c.options);
  ASSERT_TRUE(frame.ok()) << frame.status();
  EXPECT_TRUE(*frame == c.frame);
  const auto tensor = Decompress(c.frame);
  ASSERT_TRUE(tensor.ok()) << tensor.status();
  EXPECT_TRUE(tensor->data == c.data);
  const auto part = DecompressSlice(c.frame, {});
  ASSERT_TRUE(part.ok()) << part.status();
  EXPECT_TRUE(part->tensor.data == c.data);
}

TEST(ThreadsTest, SameBytesOnOneTwoAndEightThreads) {
  const tbb::global_control allow_eight(tbb::global_control::max_allowed_parallelism, 8);
  for (int threads : {1, 2, 8}) {
    tbb::task_arena arena(threads);
    arena.execute([] {
      for (const Case& c : Cases()) ExpectSameBytes(c);
    });
  }
}

TEST(ThreadsTest, SameBytesUnderAGlobalLimitOfOne) {
  const tbb::global_control one(tbb::global_control::max_allowed_parallelism, 1);
  for (const Case& c : Cases()) ExpectSameBytes(c);
}

TEST(ThreadsTest, SameBytesFromManyCallersAtOnce) {
  const tbb::global_control allow_eight(tbb::global_control::max_allowed_parallelism, 8);
  std::atomic<int> different{0};
  tbb::task_arena(8).execute([&] {
    tbb::parallel_for(std::size_t{0}, Cases().size(), [&](std::size_t i) {
      const Case& c = Cases()[i];
      const auto frame = Compress(c.spec, c.data, c.options);
      if (!frame.ok() || *frame != c.frame) ++different;
    });
  });
  EXPECT_EQ(different, 0);
}

// An environment of the caller: set before each case, seen again after each
// call.
void ExpectSameBytesIn(const std::function<void()>& set, const std::function<bool()>& is_set,
                       const std::function<void()>& reset) {
  const tbb::global_control allow_four(tbb::global_control::max_allowed_parallelism, 4);
  for (const Case& c : Cases()) {
    bool restored = true;
    absl::StatusOr<Data> frame;
    absl::StatusOr<Tensor> tensor;
    absl::StatusOr<SliceResult> part;
    // oneTBB gives tasks the environment in which the arena of their caller began: a new thread, so that it is the one
    // set.
    std::thread caller([&] {
      set();
      frame = Compress(c.spec, c.data, c.options);
      restored = restored && is_set();
      tensor = Decompress(c.frame);
      restored = restored && is_set();
      part = DecompressSlice(c.frame, {});
      restored = restored && is_set();
      reset();
    });
    caller.join();
    SCOPED_TRACE(testing::Describe(c.spec, c.options));
    ASSERT_TRUE(frame.ok() && tensor.ok() && part.ok());
    EXPECT_TRUE(*frame == c.frame);
    EXPECT_TRUE(tensor->data == c.data);
    EXPECT_TRUE(part->tensor.data == c.data);
    EXPECT_TRUE(restored);
  }
  // The same on worker threads: each task of the caller sets its environment and finds it again.
  std::atomic<int> different{0}, changed{0};
  set();
  tbb::task_arena arena(4);
  arena.initialize();
  arena.execute([&] {
    tbb::parallel_for(std::size_t{0}, Cases().size(), [&](std::size_t i) {
      const Case& c = Cases()[i];
      std::fenv_t found;  // put back at the end: a thread that waits in the codec may run another of these tasks
      std::fegetenv(&found);
      set();
      const auto frame = Compress(c.spec, c.data, c.options);
      if (!is_set()) ++changed;
      const auto tensor = Decompress(c.frame);
      if (!is_set()) ++changed;
      std::fesetenv(&found);
      if (!frame.ok() || *frame != c.frame || !tensor.ok() || tensor->data != c.data) ++different;
    });
  });
  reset();
  EXPECT_EQ(different, 0);
  EXPECT_EQ(changed, 0);
}

TEST(FloatEnvironmentTest, SameBytesInEveryRoundingMode) {
  Cases();
  for (int mode : {FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO}) {
    ExpectSameBytesIn([mode] { std::fesetround(mode); }, [mode] { return std::fegetround() == mode; },
                      [] { std::fesetround(FE_TONEAREST); });
  }
}

#if defined(__SSE2__)
TEST(FloatEnvironmentTest, SameBytesWhereSubnormalsAreFlushed) {
  Cases();
  constexpr unsigned kFlushAndZero = 0x8040;
  const unsigned usual = _mm_getcsr();
  ExpectSameBytesIn([usual] { _mm_setcsr(usual | kFlushAndZero); },
                    [] { return (_mm_getcsr() & kFlushAndZero) == kFlushAndZero; }, [usual] { _mm_setcsr(usual); });
}

TEST(FloatEnvironmentTest, SameBytesWhereSubnormalsAreFlushedAndRoundingIsUpward) {
  Cases();
  constexpr unsigned kSet = 0x8040 | 0x4000;
  const unsigned usual = _mm_getcsr();
  ExpectSameBytesIn([usual] { _mm_setcsr(usual | kSet); }, [] { return (_mm_getcsr() & kSet) == kSet; },
                    [usual] { _mm_setcsr(usual); });
}
#endif

}  // namespace
}  // namespace dcac
