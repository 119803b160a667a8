#include "core/kernels/shuffle.h"

#include <gtest/gtest.h>

#include <string_view>
#include <vector>

#include "core/kernels/target.h"

namespace dcac {
namespace {

TEST(ShuffleTest, PutsEqualPlacesOfSamplesTogetherAndBackOnAllTargets) {
  for (std::string_view target : SupportedTargets()) {
    ASSERT_TRUE(ForceTarget(target).ok());
    for (size_t stride = 1; stride <= 8; ++stride) {
      for (size_t samples : {0, 1, 15, 16, 63, 64, 65, 200, 1023, 2500}) {
        SCOPED_TRACE(testing::Message() << target << ", " << samples << " samples of " << stride);
        std::vector<std::byte> in(samples * stride), expected(in.size()), out(in.size()), restored(in.size());
        for (size_t i = 0; i < in.size(); ++i) in[i] = static_cast<std::byte>(i * 2654435761u >> 24);
        for (size_t i = 0; i < in.size(); ++i) expected[i % stride * samples + i / stride] = in[i];
        ShuffleBytes(in.data(), samples, stride, out.data());
        EXPECT_EQ(out, expected);
        UnshuffleBytes(out.data(), samples, stride, restored.data());
        EXPECT_EQ(restored, in);
      }
    }
  }
  ASSERT_TRUE(ForceTarget("").ok());
}

}  // namespace
}  // namespace dcac
