// Prints a hash of each of many frames.  Built twice, with the kernels of this machine and with those that Highway
// emulates where it has no instructions: their outputs are equal.
#include <cstdint>
#include <cstdio>
#include <vector>

#include "core/base/hash.h"
#include "dcac/codec.h"
#include "tests/testing/random.h"
#include "tests/testing/tensors.h"

namespace {

using dcac::testing::Content;

// Rows that are narrower and wider than a step, planes that are few and small.
const std::vector<std::vector<std::uint64_t>> kShapes = {{2, 3, 21, 150}, {1, 70, 7, 7}, {2, 9, 20, 33}};

int PrintHashes() {
  for (const dcac::DType dtype : dcac::testing::AllDTypes()) {
    dcac::testing::Random random(1);
    for (int level = dcac::EncodeOptions::kMinLevel; level <= dcac::EncodeOptions::kMaxLevel; ++level) {
      for (std::size_t s = 0; s < kShapes.size(); ++s) {
        const dcac::TensorSpec spec{dtype, kShapes[s], s == 2 ? dcac::Layout::kHeads : dcac::Layout::kNchw};
        for (const Content content : {Content::kReluLike, Content::kCorrelated, Content::kSpecials}) {
          const std::vector<std::byte> data = dcac::testing::MakeData(random, spec, content);
          dcac::EncodeOptions options;
          options.level = level;
          const auto frame = dcac::Compress(spec, data, options);
          const auto back = frame.ok() ? dcac::Decompress(*frame) : frame.status();
          if (!back.ok() || back->data != data) {
            std::fprintf(stderr, "%s, level %d: other samples came back\n", dcac::DTypeName(dtype).data(), level);
            return 1;
          }
          std::printf("%s %d %zu %s %zu %016llx\n", dcac::DTypeName(dtype).data(), level, s,
                      dcac::testing::ContentName(content), frame->size(),
                      static_cast<unsigned long long>(dcac::HashOf(*frame)));
        }
      }
    }
  }
  return 0;
}

}  // namespace

int main() {
  return PrintHashes();
}
