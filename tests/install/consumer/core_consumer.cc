#include <cstdio>
#include <vector>

#include "dcac/codec.h"

int main() {
  const dcac::TensorSpec spec{.dtype = dcac::DType::kU8, .shape = {1, 4, 16, 16}};
  const std::vector<std::byte> samples(4 * 16 * 16, std::byte{7});
  const auto frame = dcac::Compress(spec, samples);
  if (!frame.ok()) return 1;
  const auto tensor = dcac::Decompress(*frame);
  if (!tensor.ok() || tensor->data != samples) return 1;
  std::printf("%zu => %zu bytes, restored\n", samples.size(), frame->size());
}
