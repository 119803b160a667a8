// What is resident while a tensor is compressed or decompressed in memory, beyond input and output.
#include <gtest/gtest.h>
#include <oneapi/tbb/task_arena.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "client/cli/bench/peak_memory.h"
#include "dcac/codec.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kMemoryIsPlain = false;  // sanitizers keep what was freed, or notes on it
#else
constexpr bool kMemoryIsPlain = true;
#endif

namespace dcac {
namespace {

constexpr std::uint64_t kMebibyte = 1 << 20, kRoom = 64 * kMebibyte;

// The most bytes resident while `body` runs on two threads, beyond those before.
template <typename Body>
std::optional<std::uint64_t> ResidentPeakOf(Body body) {
  const cli::PeakMemory memory;
  oneapi::tbb::task_arena(2).execute(body);
  return memory.Bytes();
}

// Frames of noise of this size exceed powers of two times a first piece of output by much.
const TensorSpec kSpec{DType::kU8, {1, 600, 500, 500}};

// `bits` of each sample are random.
std::vector<std::byte> Noise(int bits) {
  std::vector<std::byte> tensor(600 * 500 * 500);
  std::mt19937_64 random(1);
  const std::uint64_t mask = (0xffu >> (8 - bits)) * 0x0101010101010101u;
  for (std::size_t i = 0; i < tensor.size(); i += sizeof(mask)) {
    const std::uint64_t eight = random() & mask;
    std::memcpy(tensor.data() + i, &eight, sizeof(eight));
  }
  return tensor;
}

struct Case {
  int level;
  int bits;  // of a sample that are random
};

class PeakMemoryTest : public ::testing::TestWithParam<Case> {};

TEST_P(PeakMemoryTest, StaysWithin64MiBBeyondInputAndOutput) {
  if (!kMemoryIsPlain) GTEST_SKIP() << "memory of sanitizers";
  const std::vector<std::byte> tensor = Noise(GetParam().bits);
  EncodeOptions options;
  options.level = GetParam().level;
  absl::StatusOr<std::vector<std::byte>> frame = absl::UnknownError("not run");
  const auto of_compress = ResidentPeakOf([&] { frame = Compress(kSpec, tensor, options); });
  ASSERT_TRUE(frame.ok()) << frame.status();
  absl::StatusOr<Tensor> back = absl::UnknownError("not run");
  const auto of_decompress = ResidentPeakOf([&] { back = Decompress(*frame); });
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_TRUE(back->data == tensor);
  if (!of_compress || !of_decompress) GTEST_SKIP() << "the system does not tell what is resident";
  EXPECT_LT(*of_compress, frame->size() + kRoom) << frame->size() / kMebibyte << " MiB of output";
  EXPECT_LT(*of_decompress, tensor.size() + kRoom);
}

INSTANTIATE_TEST_SUITE_P(Tensors, PeakMemoryTest, ::testing::Values(Case{1, 8}, Case{1, 5}, Case{1, 2}, Case{3, 2}),
                         [](const auto& test) {
                           return "Level" + std::to_string(test.param.level) + "Bits" + std::to_string(test.param.bits);
                         });

// Where addresses are counted, room that is never written is not for free.
TEST(AddressLimitTest, ATensorThatShrinksIsCompressedWithoutRoomForOneThatDoesNot) {
  if (!kMemoryIsPlain) GTEST_SKIP() << "addresses of sanitizers";
  const auto compress_with_few_addresses = [] {
    const std::vector<std::byte> tensor = Noise(2);
    EncodeOptions options;
    options.level = 1;
    oneapi::tbb::task_arena arena(1);
    const auto compresses = [&] { return arena.execute([&] { return Compress(kSpec, tensor, options).ok(); }); };
    bool ok = compresses();  // with all that is allocated once
    rlim_t pages = 0;
    if (ok && std::ifstream("/proc/self/statm") >> pages) {
      const rlim_t limit = pages * static_cast<rlim_t>(sysconf(_SC_PAGESIZE)) + 100 * kMebibyte;
      const rlimit addresses{limit, limit};
      ok = setrlimit(RLIMIT_AS, &addresses) == 0 && compresses();
    }
    std::_Exit(ok ? 0 : 1);
  };
  EXPECT_EXIT(compress_with_few_addresses(), ::testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace dcac
