// The activation store next to its parts, measured in turns in one run: puts next to a plain write and fsync of the
// same compressed bytes and the Compress stream, gets next to a plain read and the Decompress stream, all through a
// dcac-server on a Unix socket with a local store that syncs each put; many small objects; planes of a large one.
//
//   store_benchmark [--rounds=N] [--sizes=MB,...] [--levels=L,...] [--small=OBJECTS] [--folder=DIR] [--no-floors]
//                   [FILE...]
//
// Without files: generated planes.  A file whose name has ".bf16." is read as bf16.  Times are medians in milliseconds,
// and behind each its speed over that of the slower of the two that it is compared with.  `put` and `get` leave coding
// to the server, `client` does it in this process, `frame` moves a frame that is there.  Exit status 1: a floor is
// missed; stderr says which.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

#include "client/cli/bench/read_tensor.h"
#include "core/base/allocator.h"
#include "tests/bench/store_objects.h"
#include "tests/bench/store_transfers.h"
#include "tests/integration/server_process.h"
#include "tests/testing/tensors.h"

namespace dcac::bench {
namespace {

struct Input {
  std::string name;
  Tensor tensor;
};

Input GeneratedInput() {
  testing::Random random(1);
  const TensorSpec spec{.dtype = DType::kBF16, .shape = {1, 64, 112, 112}};
  return {"generated", {spec, testing::MakeData(random, spec, testing::Content::kReluLike)}};
}

Input ReadInput(const std::string& file) {
  files::InputFormat format;
  if (file.find(".bf16.") != std::string::npos) format.dtype = DType::kBF16;
  return {std::filesystem::path(file).filename(), Require(cli::ReadTensor(file, format), file.c_str())};
}

void PrintHead() {
  std::printf("%-34s %5s %6s %6s | %8s %8s | %8s %4s %8s %4s %8s %4s | %8s %8s | %8s %4s %8s %4s %8s %4s\n", "file",
              "level", "MB", "ratio", "Compress", "write", "put", "", "client", "", "frame", "", "Decompr.", "read",
              "get", "", "client", "", "frame", "");
}

int Run(int argc, char** argv) {
  KeepMemoryOfMessages();
  CLI::App app;
  TransferOptions transfers{.rounds = 9, .sizes_mb = {1, 4, 16, 64}, .levels = {EncodeOptions::kDefaultLevel}};
  std::string folder = std::filesystem::temp_directory_path();
  std::vector<std::string> files;
  int small = 100'000;
  bool no_floors = false;
  app.add_option("--rounds", transfers.rounds);
  app.add_option("--sizes", transfers.sizes_mb)->delimiter(',')->allow_extra_args(false);
  app.add_option("--levels", transfers.levels)->delimiter(',')->allow_extra_args(false);
  app.add_option("--small", small);
  app.add_option("--folder", folder);
  app.add_flag("--no-floors", no_floors);
  app.add_option("files", files);
  CLI11_PARSE(app, argc, argv);

  folder += "/store_benchmark." + std::to_string(getpid());
  std::filesystem::create_directories(folder);
  std::vector<Input> inputs;
  for (const std::string& file : files) inputs.push_back(ReadInput(file));
  if (inputs.empty()) inputs.push_back(GeneratedInput());
  Floors floors("store_benchmark");
  {
    const std::string address = "unix:" + folder + "/bench.sock";
    const testing::ServerProcess server(
        {"--listen=" + address, "--store=local:" + folder + "/store", "--store-fsync=each"});
    PrintHead();
    for (const Input& input : inputs) MeasureTransfers(address, folder, input.name, input.tensor, transfers, floors);
    MeasurePlanes(address, inputs.front().tensor, floors);
  }
  if (small > 0) MeasureSmallObjects(folder, inputs.front().tensor, small, floors);
  std::filesystem::remove_all(folder);
  return floors.misses() == 0 || no_floors ? 0 : 1;
}

}  // namespace
}  // namespace dcac::bench

int main(int argc, char** argv) {
  return dcac::bench::ExitStatusOf("store_benchmark", [&] { return dcac::bench::Run(argc, argv); });
}
