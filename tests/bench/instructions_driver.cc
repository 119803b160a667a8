// What instructions.py counts the instructions of: each call of MeasuredCall is one direction of one fixed tensor at
// one level, warm, on one thread.  Prints a line "INPUT LEVEL DIRECTION" before each.
#include <oneapi/tbb/global_control.h>

#include <algorithm>
#include <cstdio>
#include <functional>
#include <string>
#include <vector>

#include "dcac/codec.h"
#include "tests/testing/tensors.h"

// Named in C, so that callgrind can be told its name.
extern "C" __attribute__((noinline)) void MeasuredCall(const std::function<bool()>& work, bool* succeeded) {
  *succeeded = work();
}

namespace dcac {
namespace {

struct Input {
  const char* name;
  TensorSpec spec;
};

bool Measure(const std::string& name, const std::function<bool()>& work) {
  bool succeeded = work();  // to warm up: memory, tables, threads
  std::printf("%s\n", name.c_str());
  if (succeeded) MeasuredCall(work, &succeeded);
  if (!succeeded) std::fprintf(stderr, "%s failed\n", name.c_str());
  return succeeded;
}

bool MeasureLevel(const Input& input, int level) {
  testing::Random random(1);
  const std::vector<std::byte> data = testing::MakeData(random, input.spec, testing::Content::kReluLike);
  EncodeOptions options;
  options.level = level;
  std::vector<std::byte> frame;
  const auto compress = [&] {
    auto result = Compress(input.spec, data, options);
    if (result.ok()) frame = *std::move(result);
    return result.ok();
  };
  const auto decompress = [&] {
    const auto tensor = Decompress(frame);
    return tensor.ok() && tensor->data.size() == data.size();
  };
  const std::string name = std::string(input.name) + " " + std::to_string(level);
  if (!Measure(name + " compress", compress) || !Measure(name + " decompress", decompress)) return false;
  const auto restored = Decompress(frame);
  return restored.ok() && restored->data == data;
}

int Main() {
  const tbb::global_control one_thread(tbb::global_control::max_allowed_parallelism, 1);
  const std::vector<Input> inputs = {
      {"u8-large-planes", {.dtype = DType::kU8, .shape = {1, 24, 48, 48}}},
      {"u8-small-planes", {.dtype = DType::kU8, .shape = {1, 320, 7, 7}}},
      {"bf16", {.dtype = DType::kBF16, .shape = {1, 16, 40, 40}}},
      {"f32", {.dtype = DType::kF32, .shape = {1, 16, 32, 32}}},
  };
  for (const Input& input : inputs) {
    for (int level : {1, 3, 5, 7, 9}) {
      if (!MeasureLevel(input, level)) return 1;
    }
  }
  return 0;
}

}  // namespace
}  // namespace dcac

int main() {
  return dcac::Main();
}
