// Speed of whole tensors, ours and peers' in one program, their repetitions in random order.
//   codec_benchmark [--benchmark_...] [FILE...]
// Without files: generated planes.  A file whose name has ".bf16." is read as bf16.  One thread.
#include <benchmark/benchmark.h>
#include <oneapi/tbb/global_control.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "client/cli/bench/bench_codec.h"
#include "client/cli/bench/read_tensor.h"
#include "tests/testing/tensors.h"

namespace dcac {
namespace {

struct Input {
  std::string name;
  Tensor tensor;
};

using MakeCodec = std::function<std::unique_ptr<cli::BenchCodec>()>;

std::vector<Input> GeneratedInputs() {
  std::vector<Input> inputs;
  testing::Random random(1);
  const auto add = [&](DType dtype, std::vector<std::uint64_t> shape) {
    const TensorSpec spec{.dtype = dtype, .shape = std::move(shape)};
    inputs.push_back({std::string(DTypeName(dtype)) + ShapeToString(spec.shape),
                      {spec, testing::MakeData(random, spec, testing::Content::kReluLike)}});
  };
  add(DType::kU8, {1, 96, 56, 56});
  add(DType::kU8, {1, 960, 7, 7});
  add(DType::kBF16, {1, 64, 56, 56});
  add(DType::kF32, {1, 32, 56, 56});
  return inputs;
}

absl::StatusOr<Input> ReadInput(const std::string& file) {
  files::InputFormat format;
  if (file.find(".bf16.") != std::string::npos) format.dtype = DType::kBF16;
  absl::StatusOr<Tensor> tensor = cli::ReadTensor(file, format);
  if (!tensor.ok()) return tensor.status();
  return Input{file.substr(file.rfind('/') + 1), *std::move(tensor)};
}

std::vector<MakeCodec> Codecs() {
  std::vector<MakeCodec> codecs;
  for (int level = EncodeOptions::kMinLevel; level <= EncodeOptions::kMaxLevel; ++level) {
    codecs.push_back([level] {
      EncodeOptions options;
      options.level = level;
      return cli::MakeDcacBenchCodec(options);
    });
  }
  codecs.push_back([] { return cli::MakeZstdBenchCodec(1); });
  codecs.push_back([] { return cli::MakeLz4BenchCodec(); });
  codecs.push_back([] { return cli::MakeMemcpyBenchCodec(); });
  return codecs;
}

// Whether the codec restores the tensor; `compressed` is then what it made of it.
bool RoundTrips(cli::BenchCodec& codec, const Tensor& tensor, cli::BenchCodec::ByteView& compressed) {
  const auto result = codec.Compress(tensor.spec, tensor.data);
  if (!result.ok()) return false;
  compressed = *result;
  const auto raw = codec.Decompress(compressed, tensor.data.size());
  return raw.ok() && std::equal(raw->begin(), raw->end(), tensor.data.begin(), tensor.data.end());
}

enum class Direction { kCompress, kDecompress };

void Run(benchmark::State& state, const Tensor& tensor, const MakeCodec& make, Direction direction) {
  const std::unique_ptr<cli::BenchCodec> codec = make();
  cli::BenchCodec::ByteView compressed;
  if (!RoundTrips(*codec, tensor, compressed)) return state.SkipWithError("restored other samples");
  const std::size_t compressed_bytes = compressed.size();
  for (auto _ : state) {
    if (direction == Direction::kCompress) {
      benchmark::DoNotOptimize(codec->Compress(tensor.spec, tensor.data));
    } else {
      benchmark::DoNotOptimize(codec->Decompress(compressed, tensor.data.size()));
    }
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(tensor.data.size()) * state.iterations());
  state.counters["ratio"] = static_cast<double>(tensor.data.size()) / static_cast<double>(compressed_bytes);
}

void Register(const std::vector<Input>& inputs) {
  for (const Input& input : inputs) {
    for (const MakeCodec& make : Codecs()) {
      for (Direction direction : {Direction::kCompress, Direction::kDecompress}) {
        const char* verb = direction == Direction::kCompress ? "compress" : "decompress";
        const std::string name = input.name + "/" + verb + "/" + make()->name();
        benchmark::RegisterBenchmark(name.c_str(), [&input, make, direction](benchmark::State& state) {
          Run(state, input.tensor, make, direction);
        })->Unit(benchmark::kMicrosecond);
      }
    }
  }
}

int Main(int argc, char** argv) {
  // Before the user's options, which may say otherwise.
  std::vector<std::string> options = {"--benchmark_enable_random_interleaving=true", "--benchmark_repetitions=5",
                                      "--benchmark_min_time=0.1"};
  std::vector<char*> arguments = {argv[0]};
  for (std::string& option : options) arguments.push_back(option.data());
  arguments.insert(arguments.end(), argv + 1, argv + argc);
  int count = static_cast<int>(arguments.size());
  arguments.push_back(nullptr);
  benchmark::Initialize(&count, arguments.data());
  std::vector<Input> inputs;
  for (int i = 1; i < count; ++i) {
    absl::StatusOr<Input> input = ReadInput(arguments[static_cast<std::size_t>(i)]);
    if (!input.ok()) {
      std::fprintf(stderr, "codec_benchmark: %s: %s\n", arguments[static_cast<std::size_t>(i)],
                   input.status().ToString().c_str());
      return 1;
    }
    inputs.push_back(*std::move(input));
  }
  if (inputs.empty()) inputs = GeneratedInputs();
  const tbb::global_control one_thread(tbb::global_control::max_allowed_parallelism, 1);
  cli::KeepFreedMemory();
  Register(inputs);
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}

}  // namespace
}  // namespace dcac

int main(int argc, char** argv) {
  return dcac::Main(argc, argv);
}
