#include "core/files/original_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <string>
#include <string_view>

#include "core/files/npy.h"
#include "core/files/test_files.h"

namespace dcac::files {
namespace {

using ::testing::HasSubstr;
using Form = ArchiveHead::Form;

// What reads the bytes of a pipe.
class PipeTest : public ::testing::Test {
 protected:
  // A pipe would block beyond its buffer, so that the source is another one; the file only says that it has no size.
  absl::StatusOr<OriginalFile> Read(std::string_view content, const InputFormat& format = {}) {
    content_ = ToBytes(content);
    int ends[2];
    EXPECT_EQ(::pipe(ends), 0);
    auto file = FileSource::Open("/dev/fd/" + std::to_string(ends[0]));
    EXPECT_TRUE(file.ok()) << file.status();
    MemorySource memory(content_);
    PushbackSource source(memory);
    auto original = ReadOriginal(*file, source, format);
    for (const int end : ends) ::close(end);
    Bytes again(content_.size() + 1);
    again.resize(*ReadFully(source, again));
    EXPECT_TRUE(again == content_) << "the source is not at its start";
    return original;
  }

  Bytes content_;
};

class OriginalFileTest : public ::testing::Test {
 protected:
  void TearDown() override { ::unlink(path_.c_str()); }

  absl::StatusOr<OriginalFile> Read(std::string_view content, const InputFormat& format = {}) {
    std::ofstream(path_, std::ios::binary) << content;
    auto file = FileSource::Open(path_);
    if (!file.ok()) return file.status();
    PushbackSource source(*file);
    return ReadOriginal(*file, source, format);
  }

  const std::string path_ = ::testing::TempDir() + "/dcac_original_file_test_" + std::to_string(::getpid());
};

std::string Npy(const TensorSpec& spec, std::size_t sample_bytes) {
  const Bytes header = CanonicalNpyHeader(spec);
  return TextAt(header, 0, header.size()) + std::string(sample_bytes, 'x');
}

std::string Safetensors(std::string_view header, std::size_t data_bytes) {
  Bytes length;
  AppendLittleEndian(header.size(), 8, length);
  return TextAt(length, 0, 8) + std::string(header) + std::string(data_bytes, 'y');
}

// The pieces add up to the file and its inline bytes are those of the file.
void ExpectCovers(const ArchiveHead& head, ByteSpan file) {
  const std::vector<std::uint64_t> offsets = PieceOffsets(head);
  std::size_t inline_at = 0;
  for (std::size_t i = 0; i < head.pieces.size(); ++i) {
    const Piece& piece = head.pieces[i];
    if (i + 1 == head.pieces.size()) {
      EXPECT_EQ(offsets[i] + piece.bytes, file.size());
    }
    if (piece.kind != PieceKind::kInline) continue;
    const ByteSpan bytes = ByteSpan(head.inline_bytes).subspan(inline_at, piece.bytes);
    EXPECT_TRUE(std::equal(bytes.begin(), bytes.end(), file.begin() + static_cast<std::ptrdiff_t>(offsets[i])));
    inline_at += piece.bytes;
  }
  EXPECT_EQ(inline_at, head.inline_bytes.size());
}

std::vector<std::string> TensorsOf(const ArchiveHead& head) {
  std::vector<std::string> tensors;
  for (const Piece& piece : head.pieces) {
    if (piece.kind != PieceKind::kTensor) continue;
    tensors.push_back(piece.name + " " + std::string(DTypeName(piece.dtype)) + " " + ShapeToString(piece.shape));
  }
  return tensors;
}

OriginalFile ReadMemory(ByteSpan file) {
  auto original = ReadOriginal(RandomMemory(file));
  EXPECT_TRUE(original.ok()) << original.status();
  ExpectCovers(original->head, file);
  return *std::move(original);
}

void ExpectBytes(const OriginalFile& original, std::string_view note) {
  EXPECT_EQ(original.head.kind, ArchiveKind::kBytes);
  EXPECT_EQ(original.head.form, Form::kSingle);
  EXPECT_THAT(original.note, HasSubstr(std::string(note)));
}

// ---- .npy

TEST_F(OriginalFileTest, CanonicalNpyNeedsNoTable) {
  const auto original = Read(Npy({DType::kI16, {2, 3}}, 12));
  ASSERT_TRUE(original.ok()) << original.status();
  EXPECT_EQ(original->head.kind, ArchiveKind::kNpy);
  EXPECT_EQ(original->head.form, Form::kSingle);
  EXPECT_THAT(TensorsOf(original->head), ::testing::ElementsAre(" i16 [2, 3]"));
  EXPECT_EQ(PieceOffsets(original->head), (std::vector<std::uint64_t>{0, 128}));
}

TEST_F(OriginalFileTest, OtherNpyHeaderAndBytesAfterTheSamplesAreKept) {
  std::string content = Npy({DType::kU8, {4}}, 4) + "tail";
  content[120] = '\t';
  const auto original = Read(content);
  ASSERT_TRUE(original.ok()) << original.status();
  EXPECT_EQ(original->head.form, Form::kTable);
  ExpectCovers(original->head, ToBytes(content));
  EXPECT_EQ(original->head.inline_bytes.size(), 132u);
}

// As many as a hostile archive may have, or nearly: the time is not to grow with their square.
TEST(FortranOrderTest, IsFoundAmongManyArrays) {
  constexpr std::size_t kArrays = 100'000;
  const std::vector<Bytes> headers = {FortranNpyHeader({DType::kU8, {2, 3}}), CanonicalNpyHeader({DType::kU8, {2, 3}})};
  ArchiveHead head{.kind = ArchiveKind::kNpz};
  for (std::size_t i = 0; i < kArrays; ++i) {
    const Bytes& header = headers[i % 2];
    head.pieces.push_back({.kind = PieceKind::kInline, .bytes = header.size()});
    head.pieces.push_back({.kind = PieceKind::kTensor, .bytes = 6, .shape = {2, 3}});
    AppendBytes(header, head.inline_bytes);
  }
  const std::vector<std::uint64_t> offsets = InlineOffsets(head);
  for (std::size_t i = 0; i < kArrays; ++i) {
    ASSERT_EQ(IsFortranOrder(head, 2 * i + 1, offsets[2 * i + 1]), i % 2 == 0) << i;
  }
  EXPECT_TRUE(IsFortranOrder(head, 2 * kArrays - 3));
  EXPECT_FALSE(IsFortranOrder(head, 2 * kArrays - 1));
}

TEST_F(OriginalFileTest, MuchAfterTheSamplesIsOpaque) {
  const auto original = Read(Npy({DType::kU8, {4}}, 4) + std::string(100000, 'z'));
  ASSERT_TRUE(original.ok()) << original.status();
  EXPECT_EQ(original->head.pieces.back(), (Piece{.kind = PieceKind::kOpaque, .bytes = 100000}));
}

TEST_F(OriginalFileTest, Uint16CanBeBfloat16) {
  const auto original = Read(Npy({DType::kU16, {4}}, 8), {.dtype = DType::kBF16});
  ASSERT_TRUE(original.ok()) << original.status();
  EXPECT_THAT(TensorsOf(original->head), ::testing::ElementsAre(" bf16 [4]"));
  EXPECT_EQ(original->head.form, Form::kSingle);
}

TEST_F(OriginalFileTest, OtherTypesCannot) {
  const auto original = Read(Npy({DType::kF16, {4}}, 8), {.dtype = DType::kBF16});
  EXPECT_THAT(std::string(original.status().message()), HasSubstr("samples are f16, expected u16 or bf16"));
}

TEST_F(OriginalFileTest, NpyOfOtherSamplesOrSizeIsBytes) {
  ExpectBytes(*Read(Npy({DType::kF32, {4}}, 15)), "holds 143 bytes, expected 144 for shape [4] of f32");
  ExpectBytes(*Read(Npy({DType::kF32, {4}}, 0).substr(0, 100)), "holds 100 bytes");
  std::string big_endian = Npy({DType::kF32, {4}}, 16);
  big_endian[big_endian.find('<')] = '>';
  ExpectBytes(*Read(big_endian), "samples are '>f4'");
}

// ---- Raw samples and other files

TEST_F(OriginalFileTest, RawNeedsTypeAndExactSize) {
  const InputFormat format{.dtype = DType::kU16, .shape = {{2, 2}}};
  EXPECT_EQ(Read("12345678", format)->head.kind, ArchiveKind::kRaw);
  EXPECT_THAT(std::string(Read("1234567", format).status().message()), HasSubstr("holds 7 bytes, expected 8"));
  EXPECT_THAT(std::string(Read("123456789", format).status().message()), HasSubstr("holds 9 bytes, expected 8"));
  EXPECT_FALSE(Read("1234", {.shape = {{4}}}).ok());
}

TEST_F(OriginalFileTest, OtherFilesAreBytes) {
  ExpectBytes(*Read("no array"), "");
  const auto empty = Read("");
  ASSERT_TRUE(empty.ok()) << empty.status();
  EXPECT_EQ(empty->head, (ArchiveHead{.kind = ArchiveKind::kBytes}));
}

// ---- .safetensors

constexpr std::string_view kTwoTensors =
    R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"U8","shape":[],"data_offsets":[12,13]}})";

TEST_F(OriginalFileTest, SafetensorsHaveTensorsAndHoles) {
  const Bytes file = ToBytes(Safetensors(kTwoTensors, 13) + "end");
  const OriginalFile original = ReadMemory(file);
  EXPECT_EQ(original.head.kind, ArchiveKind::kSafetensors);
  EXPECT_THAT(TensorsOf(original.head), ::testing::ElementsAre("a f32 [2]", "b u8 []"));
  EXPECT_EQ(original.note, "");
}

TEST_F(OriginalFileTest, SafetensorsBeyondTheFileAreBytes) {
  ExpectBytes(ReadMemory(ToBytes(Safetensors(kTwoTensors, 12))), "holds 12 bytes of tensors, its header describes 13");
  ExpectBytes(ReadMemory(ToBytes(Safetensors(kTwoTensors, 0).substr(0, 50))), "its safetensors header is to have");
}

TEST_F(OriginalFileTest, EveryPrefixOfAFileIsReadSomehow) {
  for (const char* name : {"files/some.safetensors", "files/some.npz", "files/dict.pt", "efflite0-b1.f16.npy"}) {
    const Bytes file = ReadTestFile(name);
    ASSERT_FALSE(file.empty());
    for (std::size_t n = 0; n < std::min<std::size_t>(file.size(), 6000); n += 1 + n / 100) {
      ReadMemory(ByteSpan(file).first(n));
    }
  }
}

// ---- Zip files

TEST(ZippedFileTest, NpzHasTheTensorsOfItsMembers) {
  const Bytes file = ReadTestFile("files/some.npz");
  const OriginalFile original = ReadMemory(file);
  EXPECT_EQ(original.head.kind, ArchiveKind::kNpz);
  EXPECT_THAT(TensorsOf(original.head),
              ::testing::ElementsAre("features.npy f32 [3, 16, 12]", "ids.npy i64 [9]", "fortran.npy f32 [12, 16]"));
}

TEST(ZippedFileTest, CompressedMembersAreOpaque) {
  const OriginalFile original = ReadMemory(ReadTestFile("files/compressed.npz"));
  EXPECT_EQ(original.head.kind, ArchiveKind::kNpz);
  EXPECT_TRUE(TensorsOf(original.head).empty());
  EXPECT_EQ(original.head.num_frames(), 2u);
}

TEST(ZippedFileTest, OtherZipFilesAreBytes) {
  ExpectBytes(ReadMemory(MakeZip({{"a.txt", "text"}}).bytes), "");
  ExpectBytes(ReadMemory(MakeZip({{"a.txt", "text"}, {"b", ""}}, /*zip64=*/true).bytes), "");
}

TEST(ZippedFileTest, PyTorchTensors) {
  using ::testing::ElementsAre;
  const auto tensors = [](const char* name) {
    const OriginalFile original = ReadMemory(ReadTestFile(std::string("files/") + name));
    EXPECT_EQ(original.head.kind, ArchiveKind::kTorch) << name << ": " << original.note;
    EXPECT_EQ(original.note, "");
    return TensorsOf(original.head);
  };
  EXPECT_THAT(tensors("tensor.pt"), ElementsAre(" f32 [3, 16, 12]"));
  EXPECT_THAT(tensors("bf16.pt"), ElementsAre(" bf16 [2, 16, 12]"));
  EXPECT_THAT(tensors("parameter.pt"), ElementsAre(" f32 [8, 8]"));
  EXPECT_THAT(tensors("dict.pt"), ElementsAre("model.layer1.weight f32 [4, 3, 3, 3]", "model.layer1.bias f32 [4]",
                                              "model.layer2[0] i64 [20]", "model.layer2[1][0] bool [3]"));
  // A view of a part gives no shape; a view in another order of axes gives that of the memory.
  EXPECT_THAT(tensors("views.pt"), ElementsAre("every_second f32 [384]", "channels_last f32 [4, 8, 6]",
                                               "all f32 [2, 12, 10]", "scalar f32 []", "empty f32 [0, 3]"));
  EXPECT_THAT(tensors("types.pt"),
              ElementsAre("[0] f8e4m3 [24]", "[1] f8e5m2 [24]", "[2] f16 [24]", "[3] f64 [24]", "[4] u16 [24]",
                          "[5] u32 [24]", "[6] i16 [24]", "[7] c64 [24]", "[8] bool [24]"));
  EXPECT_EQ(tensors("state_dict.pth").size(), 7u);
}

TEST(ZippedFileTest, HostilePicklesAreRefusedAndTheFileIsBytes) {
  const OriginalFile original = ReadMemory(MakeZip({{"x/data.pkl",
                                                     "\x80\x02"
                                                     "cos\nsystem\nX\x02\0\0\0idq\x01\x85R."}})
                                               .bytes);
  ExpectBytes(original, "pickle names the global os.system, which is not allowed");
}

// Storages deep down in lists have long names, and many of them: far more bytes than the pickle.
TEST(ZippedFileTest, PicklesWhoseNamesTakeTooMuchAreRefusedAndTheFileIsBytes) {
  constexpr int kDepth = 1300, kStorages = 20'000;
  std::string pickle = "\x80\x02";
  const auto text = [&](const std::string& value) {
    pickle += '\x8c';
    pickle += static_cast<char>(value.size());
    pickle += value;
  };
  const auto remember = [&](char number) { pickle += std::string("q") + number + "0"; };
  text("storage");
  remember('\0');
  pickle += "ctorch\nFloatStorage\n";
  remember('\1');
  text("cpu");
  remember('\2');
  pickle += "K\x01";
  remember('\3');
  for (int i = 0; i < kDepth; ++i) pickle += "](";
  for (int i = 0; i < kStorages; ++i) {
    pickle += std::string("(h\0h\1", 5);
    text(std::to_string(i));
    pickle += "h\2h\3tQ";
  }
  pickle += std::string(kDepth, 'e') + ".";
  ExpectBytes(ReadMemory(MakeZip({{"x/data.pkl", pickle}}).bytes),
              "the names of storages have more than 67108864 bytes");
}

TEST(ZippedFileTest, OtherByteOrderIsBytes) {
  ExpectBytes(ReadMemory(MakeZip({{"x/data.pkl", "\x80\x02N."}, {"x/byteorder", "big"}}).bytes),
              "byte order is big, expected little");
  EXPECT_EQ(ReadMemory(MakeZip({{"x/data.pkl", "\x80\x02N."}, {"x/byteorder", "little"}}).bytes).head.kind,
            ArchiveKind::kTorch);
}

// ---- Pipes

TEST_F(PipeTest, NpyAndSafetensorsAreKnownByTheirStart) {
  EXPECT_EQ(Read(Npy({DType::kI16, {2, 3}}, 12))->head.form, Form::kSingle);
  const auto safetensors = Read(Safetensors(kTwoTensors, 13));
  ASSERT_TRUE(safetensors.ok()) << safetensors.status();
  EXPECT_EQ(TensorsOf(safetensors->head).size(), 2u);
  // What is in a hole is not known yet.
  EXPECT_EQ(safetensors->head.pieces[2].kind, PieceKind::kOpaque);
}

TEST_F(PipeTest, ShortOnesAreBytesOfKnownNumber) {
  ExpectBytes(*Read("text"), "");
  ExpectBytes(*Read(Npy({DType::kI16, {2, 3}}, 0).substr(0, 20)), "");
  ExpectBytes(*Read(Safetensors(kTwoTensors, 13).substr(0, 20)), "ends within a safetensors header");
  EXPECT_TRUE(Read("")->head.pieces.empty());
}

TEST_F(PipeTest, LongOnesAreOpen) {
  const auto original = Read(std::string(kOpenFrameBytes + 1, 'x'));
  ASSERT_TRUE(original.ok()) << original.status();
  EXPECT_EQ(original->head.form, Form::kOpen);
}

TEST_F(PipeTest, RawSamplesNeedNotBeThereYet) {
  const auto original = Read("1", {.dtype = DType::kU16, .shape = {{1000, 1000}}});
  ASSERT_TRUE(original.ok()) << original.status();
  EXPECT_EQ(original->head.pieces[0].bytes, 2'000'000u);
}

// ---- Layouts

TEST(SpecOfNextPieceTest, TakesTheLayoutThatIsGivenWhereItFits) {
  const Bytes samples(600);
  MemorySource memory(samples);
  PushbackSource source(memory);
  ArchiveHead head{.pieces = {{PieceKind::kTensor, 600, "", DType::kU8, {10, 60}}}};
  const InputFormat tokens{.layout = Layout::kTokens}, heads{.layout = Layout::kHeads};
  EXPECT_EQ(SpecOfNextPiece(head, head.pieces[0], tokens, source)->layout, Layout::kTokens);
  EXPECT_EQ(SpecOfNextPiece(head, head.pieces[0], heads, source).status().code(), absl::StatusCode::kInvalidArgument);
  head.pieces.push_back(head.pieces[0]);
  EXPECT_TRUE(SpecOfNextPiece(head, head.pieces[0], heads, source).ok());
  EXPECT_TRUE(SpecOfNextPiece(head, head.pieces[0], {}, source).ok());
  Bytes again(700);
  EXPECT_EQ(*ReadFully(source, again), 600u);
}

}  // namespace
}  // namespace dcac::files
