#include "core/files/original_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <string>
#include <string_view>

#include "core/files/npy.h"

namespace dcac::files {
namespace {

using ::testing::HasSubstr;
using Bytes = std::vector<std::byte>;

class OriginalFileTest : public ::testing::Test {
 protected:
  void TearDown() override { ::unlink(path_.c_str()); }

  absl::StatusOr<OriginalFile> Read(std::string_view content, const InputFormat& format) {
    std::ofstream(path_, std::ios::binary) << content;
    auto file = FileSource::Open(path_);
    if (!file.ok()) return file.status();
    PushbackSource source(*file);
    return ReadOriginalHead(*file, source, format);
  }

  const std::string path_ = ::testing::TempDir() + "/dcac_original_file_test_" + std::to_string(::getpid());
};

std::string Npy(const TensorSpec& spec, std::size_t sample_bytes) {
  const Bytes header = CanonicalNpyHeader(spec);
  return std::string(reinterpret_cast<const char*>(header.data()), header.size()) + std::string(sample_bytes, 'x');
}

TEST_F(OriginalFileTest, CanonicalNpyNeedsNoPrefix) {
  const TensorSpec spec{DType::kI16, {2, 3}};
  const auto original = Read(Npy(spec, 12), {});
  ASSERT_TRUE(original.ok()) << original.status();
  EXPECT_EQ(original->spec, spec);
  EXPECT_EQ(original->tensor_bytes, 12u);
  EXPECT_TRUE(original->head.canonical_npy_header);
  EXPECT_TRUE(original->head.prefix.empty());
  EXPECT_TRUE(original->head.suffix.empty());
}

TEST_F(OriginalFileTest, OtherNpyHeaderIsKept) {
  std::string content = Npy({DType::kU8, {4}}, 4);
  content[120] = '\t';
  const auto original = Read(content, {});
  ASSERT_TRUE(original.ok()) << original.status();
  EXPECT_FALSE(original->head.canonical_npy_header);
  EXPECT_EQ(original->head.prefix.size(), 128u);
}

TEST_F(OriginalFileTest, BytesAfterTheSamplesAreKept) {
  const auto original = Read(Npy({DType::kU8, {4}}, 4) + "tail", {});
  ASSERT_TRUE(original.ok()) << original.status();
  EXPECT_EQ(original->head.suffix.size(), 4u);
}

TEST_F(OriginalFileTest, Uint16CanBeBfloat16) {
  const auto original = Read(Npy({DType::kU16, {4}}, 8), {.dtype = DType::kBF16});
  ASSERT_TRUE(original.ok()) << original.status();
  EXPECT_EQ(original->spec.dtype, DType::kBF16);
  EXPECT_TRUE(original->head.canonical_npy_header);
}

TEST_F(OriginalFileTest, OtherTypesCannot) {
  const auto original = Read(Npy({DType::kF16, {4}}, 8), {.dtype = DType::kBF16});
  EXPECT_THAT(std::string(original.status().message()), HasSubstr("samples are f16, expected u16 or bf16"));
}

TEST_F(OriginalFileTest, RawNeedsTypeAndExactSize) {
  const InputFormat format{.dtype = DType::kU16, .shape = {{2, 2}}};
  EXPECT_TRUE(Read("12345678", format).ok());
  EXPECT_THAT(std::string(Read("1234567", format).status().message()), HasSubstr("holds 7 bytes, expected 8"));
  EXPECT_THAT(std::string(Read("123456789", format).status().message()), HasSubstr("holds 9 bytes, expected 8"));
  EXPECT_FALSE(Read("1234", {.shape = {{4}}}).ok());
}

TEST_F(OriginalFileTest, TruncatedNpyIsRefused) {
  EXPECT_THAT(std::string(Read(Npy({DType::kF32, {4}}, 15), {}).status().message()),
              HasSubstr("holds 143 bytes, expected 144 for shape [4] of f32"));
  EXPECT_FALSE(Read(Npy({DType::kF32, {4}}, 0).substr(0, 100), {}).ok());
}

TEST_F(OriginalFileTest, OtherFilesAreRefused) {
  EXPECT_THAT(std::string(Read("no array", {}).status().message()), HasSubstr("is no .npy file"));
  EXPECT_FALSE(Read("", {}).ok());
}

TEST_F(OriginalFileTest, NothingMayFollowInAPipe) {
  const Bytes one(1);
  MemorySource more(one), end(std::span<const std::byte>{});
  EXPECT_FALSE(CheckOriginalEnd(more).ok());
  EXPECT_TRUE(CheckOriginalEnd(end).ok());
}

}  // namespace
}  // namespace dcac::files
