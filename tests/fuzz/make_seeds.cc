// Writes the seed corpora of the fuzz targets: a folder for each kind of input.
//   make_seeds OUT_DIR
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>

#include "core/base/bytes.h"
#include "core/files/archive.h"
#include "core/files/byte_stream.h"
#include "core/files/npy.h"
#include "core/files/zip.h"
#include "dcac/codec.h"
#include "tests/testing/archive_surgery.h"
#include "tests/testing/random.h"
#include "tests/testing/small_archives.h"
#include "tests/testing/small_frames.h"
#include "tests/testing/tensors.h"

namespace dcac {
namespace {

using Data = std::vector<std::byte>;
using Members = std::vector<files::ZipMember>;

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
  for (DType dtype : AllDTypes()) {
    for (Layout layout : AllLayouts()) {
      for (testing::Content content : {testing::Content::kReluLike, testing::Content::kSmooth,
                                       testing::Content::kUpsampled, testing::Content::kMargins}) {
        TensorSpec spec{dtype, {2, 2, 18, 20}, layout};
        if (content == testing::Content::kMargins) spec.shape[2] = 50;
        options.level = content == testing::Content::kSmooth ? EncodeOptions::kMaxLevel : EncodeOptions::kDefaultLevel;
        const auto frame = Compress(spec, testing::MakeData(random, spec, content), options);
        if (frame.ok()) folder.Add(*frame);
      }
    }
  }
}

void MakeNpyFiles(Folder& folder) {
  for (DType dtype : AllDTypes()) {
    for (const std::vector<std::uint64_t>& shape : {std::vector<std::uint64_t>{}, {7}, {1, 64, 7, 7}})
      folder.Add(files::CanonicalNpyHeader({dtype, shape}));
  }
}

// A few hundred bytes that hold a table of as many pieces as may be: inline ones of one byte each.
Data ArchiveOfManyPieces() {
  testing::LooseArchive loose = testing::TakeArchiveApart(files::SerializeArchiveHead({})).value();
  loose.fixed.back() = std::byte{2};  // flags: the table is packed
  loose.packed = true;
  loose.digest.emplace();
  Data& table = loose.table.emplace();
  AppendVarint(files::kMaxPieces, table);
  for (std::size_t i = 0; i < files::kMaxPieces; ++i) AppendLittleEndian(0x0100, 2, table);
  table.resize(table.size() + files::kMaxPieces);
  return testing::AssembleArchive(loose);
}

void MakeArchives(Folder& folder) {
  for (const testing::SmallArchive& small : testing::SmallArchives()) folder.Add(small.archive);
  folder.Add(ArchiveOfManyPieces());
}

// The files that torch and numpy wrote, and their pickles.
void MakeZipFiles(Folder& zips, Folder& pickles) {
  for (const auto& entry : std::filesystem::directory_iterator(std::filesystem::path(DCAC_TEST_DATA_DIR) / "files")) {
    const Data file = testing::ReadWholeFile(entry.path());
    if (!files::HasZipMagic(file)) continue;
    zips.Add(file);
    for (const files::ZipMember& member : files::ReadZipMembers(files::RandomMemory(file)).value_or(Members())) {
      if (member.name.ends_with("/data.pkl"))
        pickles.Add(std::span(file).subspan(member.data_offset, member.data_bytes));
    }
  }
}

void MakeSafetensors(Folder& folder) {
  const Data file = testing::ReadWholeFile(DCAC_TEST_DATA_DIR "/files/some.safetensors");
  constexpr std::size_t kLengthBytes = 8;
  const std::size_t text_bytes = static_cast<std::size_t>(LoadLittleEndian(file.data(), kLengthBytes));
  folder.Add(std::span(file).subspan(kLengthBytes, text_bytes));
  for (DType dtype : AllDTypes()) {
    static const std::map<DType, std::string> names = {
        {DType::kU8, "U8"},     {DType::kI8, "I8"},     {DType::kU16, "U16"},        {DType::kI16, "I16"},
        {DType::kF16, "F16"},   {DType::kBF16, "BF16"}, {DType::kF32, "F32"},        {DType::kU32, "U32"},
        {DType::kI32, "I32"},   {DType::kU64, "U64"},   {DType::kI64, "I64"},        {DType::kF64, "F64"},
        {DType::kBool, "BOOL"}, {DType::kC64, "C64"},   {DType::kF8E4M3, "F8_E4M3"}, {DType::kF8E5M2, "F8_E5M2"}};
    const auto name = names.find(dtype);
    if (name == names.end()) continue;
    const std::string text = R"({"a":{"dtype":")" + name->second + R"(","shape":[2,3],"data_offsets":[0,)" +
                             std::to_string(6 * SampleBytes(dtype)) + "]}}";
    folder.Add(std::as_bytes(std::span(text)));
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
  Folder archives(out / "archive"), zips(out / "zip"), pickles(out / "pickle"), safetensors(out / "safetensors");
  MakeFrames(frames);
  MakeNpyFiles(npy);
  MakeRoundTrips(round_trip);
  MakeArchives(archives);
  MakeZipFiles(zips, pickles);
  MakeSafetensors(safetensors);
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
