#include "core/kernels/shuffle.h"

#include <gtest/gtest.h>

#include <vector>

#include "core/kernels/each_target.h"

namespace dcac {
namespace {

TEST(ShuffleTest, PutsEqualPlacesOfSamplesTogetherAndBackOnAllTargets) {
  ForEachTarget([&] {
    for (size_t stride = 1; stride <= 8; ++stride) {
      for (size_t samples : {0, 1, 15, 16, 63, 64, 65, 200, 1023, 2500}) {
        SCOPED_TRACE(testing::Message() << samples << " samples of " << stride);
        std::vector<std::byte> in(samples * stride), expected(in.size()), out(in.size()), restored(in.size());
        for (size_t i = 0; i < in.size(); ++i) in[i] = static_cast<std::byte>(i * 2654435761u >> 24);
        for (size_t i = 0; i < in.size(); ++i) expected[i % stride * samples + i / stride] = in[i];
        ShuffleBytes(in.data(), samples, stride, out.data());
        EXPECT_EQ(out, expected);
        UnshuffleBytes(out.data(), samples, stride, restored.data());
        EXPECT_EQ(restored, in);
      }
    }
  });
}

}  // namespace
}  // namespace dcac
