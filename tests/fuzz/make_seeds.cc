// Writes the seed corpora of the fuzz targets: a folder for each kind of input.
//   make_seeds OUT_DIR
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>

#include "core/files/npy.h"
#include "dcac/codec.h"
#include "tests/testing/random.h"
#include "tests/testing/small_frames.h"
#include "tests/testing/tensors.h"

namespace dcac {
namespace {

using Data = std::vector<std::byte>;

// Numbers the files of a folder.
class Folder {
 public:
  explicit Folder(std::filesystem::path path) : path_(std::move(path)) {
    std::filesystem::remove_all(path_);
    std::filesystem::create_directories(path_);
  }

  void Add(std::span<const std::byte> bytes) {
    std::ofstream file(path_ / std::to_string(count_++), std::ios::binary);
    file.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  }

 private:
  std::filesystem::path path_;
  int count_ = 0;
};

// Each type and layout, large enough that the model is worth its side information.
void MakeFrames(Folder& folder) {
  for (const testing::SmallFrame& small : testing::SmallFrames()) folder.Add(small.frame);
  testing::Random random(1);
  EncodeOptions options;
  options.segment_bytes = EncodeOptions::kMinSegmentBytes;
  for (DType dtype : testing::AllDTypes()) {
    for (Layout layout : AllLayouts()) {
      for (testing::Content content :
           {testing::Content::kReluLike, testing::Content::kSmooth, testing::Content::kUpsampled}) {
        const TensorSpec spec{dtype, {2, 2, 18, 20}, layout};
        const auto frame = Compress(spec, testing::MakeData(random, spec, content), options);
        if (frame.ok()) folder.Add(*frame);
      }
    }
  }
}

void MakeNpyFiles(Folder& folder) {
  for (DType dtype : testing::AllDTypes()) {
    for (const std::vector<std::uint64_t>& shape : {std::vector<std::uint64_t>{}, {7}, {1, 64, 7, 7}})
      folder.Add(files::CanonicalNpyHeader({dtype, shape}));
  }
}

// Bytes at random are as good as any: they are choices and samples.
void MakeRoundTrips(Folder& folder) {
  testing::Random random(2);
  for (int i = 0; i < 300; ++i) {
    Data input(16 + random.Below(400));
    for (std::byte& byte : input) byte = static_cast<std::byte>(random.Bits());
    folder.Add(input);
  }
}

int Main(const std::filesystem::path& out) {
  Folder frames(out / "frame"), npy(out / "npy"), round_trip(out / "round_trip");
  MakeFrames(frames);
  MakeNpyFiles(npy);
  MakeRoundTrips(round_trip);
  return 0;
}

}  // namespace
}  // namespace dcac

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "make_seeds: expected the folder to write to\n");
    return 2;
  }
  return dcac::Main(argv[1]);
}
