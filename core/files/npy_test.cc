#include "core/files/npy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "core/files/byte_stream.h"

namespace dcac::files {
namespace {

using ::testing::HasSubstr;

std::vector<std::byte> ToBytes(std::string_view text) {
  const auto* begin = reinterpret_cast<const std::byte*>(text.data());
  return {begin, begin + text.size()};
}

std::vector<std::byte> Header(int major, std::string_view dictionary) {
  std::string header = "\x93NUMPY";
  header += {static_cast<char>(major), '\0'};
  const std::size_t length = dictionary.size();
  for (int shift = 0; shift < (major == 1 ? 16 : 32); shift += 8) header += static_cast<char>(length >> shift & 0xff);
  header += dictionary;
  return ToBytes(header);
}

std::string Dictionary(std::string_view descr, std::string_view fortran, std::string_view shape) {
  return "{'descr': '" + std::string(descr) + "', 'fortran_order': " + std::string(fortran) +
         ", 'shape': " + std::string(shape) + ", }\n";
}

std::string ErrorOf(std::string_view dictionary) {
  const absl::StatusOr<TensorSpec> spec = ParseNpyHeader(Header(1, dictionary));
  if (spec.ok()) return "no error";
  EXPECT_EQ(spec.status().code(), absl::StatusCode::kInvalidArgument);
  return std::string(spec.status().message());
}

TEST(NpyTest, ParsesAllTypes) {
  const std::pair<const char*, DType> types[] = {
      {"|u1", DType::kU8},  {"|i1", DType::kI8},   {"<u2", DType::kU16}, {"<i2", DType::kI16},  {"<u4", DType::kU32},
      {"<i4", DType::kI32}, {"<u8", DType::kU64},  {"<i8", DType::kI64}, {"<f2", DType::kF16},  {"<f4", DType::kF32},
      {"<f8", DType::kF64}, {"|b1", DType::kBool}, {"<c8", DType::kC64}, {"<c16", DType::kC128}};
  for (const auto& [descr, dtype] : types) {
    const absl::StatusOr<TensorSpec> spec = ParseNpyHeader(Header(1, Dictionary(descr, "False", "(1, 24, 56)")));
    ASSERT_TRUE(spec.ok()) << descr << ": " << spec.status();
    EXPECT_EQ(*spec, (TensorSpec{dtype, {1, 24, 56}})) << descr;
  }
}

TEST(NpyTest, TellsTheOrderOfAxes) {
  EXPECT_TRUE(*IsNpyFortranOrder(Header(1, Dictionary("<f4", "True", "(2, 3)"))));
  EXPECT_FALSE(*IsNpyFortranOrder(Header(1, Dictionary("<f4", "False", "(2, 3)"))));
  EXPECT_FALSE(IsNpyFortranOrder(Header(1, "{}")).ok());
}

TEST(NpyTest, ParsesVersions2And3) {
  for (const int major : {2, 3}) {
    const absl::StatusOr<TensorSpec> spec = ParseNpyHeader(Header(major, Dictionary("<f4", "False", "(7,)")));
    ASSERT_TRUE(spec.ok()) << spec.status();
    EXPECT_EQ(spec->shape, std::vector<std::uint64_t>{7});
  }
}

TEST(NpyTest, AcceptsOtherSpellings) {
  const absl::StatusOr<TensorSpec> spec =
      ParseNpyHeader(Header(1, "{\"shape\":(2,3),\"fortran_order\" : False,\"descr\":\"|u1\"}"));
  ASSERT_TRUE(spec.ok()) << spec.status();
  EXPECT_EQ(spec->shape, (std::vector<std::uint64_t>{2, 3}));
}

TEST(NpyTest, AcceptsScalarsAndEmptyTensors) {
  EXPECT_TRUE(ParseNpyHeader(Header(1, Dictionary("<f4", "False", "()"))).ok());
  EXPECT_TRUE(ParseNpyHeader(Header(1, Dictionary("<f4", "False", "(0, 3)"))).ok());
}

TEST(NpyTest, RejectsOtherSamples) {
  EXPECT_THAT(ErrorOf(Dictionary("<U2", "False", "(1,)")), HasSubstr("samples are '<U2', expected"));
  EXPECT_THAT(ErrorOf(Dictionary(">f4", "False", "(1,)")), HasSubstr("samples are '>f4', expected"));
  EXPECT_THAT(ErrorOf(Dictionary("\x1b[2J", "False", "(1,)")), HasSubstr("samples are '?[2J', expected"));
  EXPECT_THAT(ErrorOf("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }"), HasSubstr("structured"));
}

TEST(NpyTest, FortranOrderReversesTheExtents) {
  const absl::StatusOr<TensorSpec> spec = ParseNpyHeader(Header(1, Dictionary("<f4", "True", "(2, 3, 4)")));
  ASSERT_TRUE(spec.ok()) << spec.status();
  EXPECT_EQ(spec->shape, (std::vector<std::uint64_t>{4, 3, 2}));
}

TEST(NpyTest, RejectsMalformedDictionaries) {
  for (const char* text :
       {"{}", "{'descr'", "{'descr': '<f4'}", "{'descr': '<f4', 'descr': '<f4'}", "{'x': 1}",
        "{'descr': '<f4', 'fortran_order': Maybe}", "{'descr': '<f4', 'fortran_order': False, 'shape': 3}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (3}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (-3,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (18446744073709551616,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (3,)} x"}) {
    EXPECT_THAT(ErrorOf(text), HasSubstr("malformed .npy header")) << text;
  }
}

TEST(NpyTest, RejectsTooManyAxesAndBytes) {
  EXPECT_THAT(ErrorOf(Dictionary("<f4", "False", "(1, 1, 1, 1, 1, 1, 1, 1, 1)")), HasSubstr("axes"));
  EXPECT_NE(ErrorOf(Dictionary("<f4", "False", "(4294967296, 4294967296)")), "no error");
}

TEST(NpyTest, BoundsTheHeader) {
  const absl::StatusOr<std::size_t> longest =
      NpyHeaderBytes(ToBytes(std::string_view("\x93NUMPY\x02\0\xf4\xff\0\0", 12)));
  ASSERT_TRUE(longest.ok());
  EXPECT_EQ(*longest, kMaxNpyHeaderBytes);
  EXPECT_FALSE(NpyHeaderBytes(ToBytes(std::string_view("\x93NUMPY\x02\0\xf5\xff\0\0", 12))).ok());
  EXPECT_FALSE(NpyHeaderBytes(ToBytes(std::string_view("\x93NUMPY\x02\0\xff\xff\xff\xff", 12))).ok());
  EXPECT_FALSE(NpyHeaderBytes(ToBytes(std::string_view("\x93NUMPY\x04\0\x10\0\0\0", 12))).ok());
  EXPECT_FALSE(NpyHeaderBytes(ToBytes("\x93NUMPY")).ok());
}

TEST(NpyTest, CanonicalHeaderIsNumPys) {
  const std::vector<std::byte> header = CanonicalNpyHeader({DType::kF16, {1, 24, 56, 56}});
  std::string expected("\x93NUMPY\x01\0\x76\0", 10);
  expected += "{'descr': '<f2', 'fortran_order': False, 'shape': (1, 24, 56, 56), }";
  expected.resize(127, ' ');
  EXPECT_EQ(header, ToBytes(expected + "\n"));
}

TEST(NpyTest, FortranHeaderIsNumPys) {
  const TensorSpec spec{DType::kF16, {1024, 24, 56}};
  const std::vector<std::byte> header = FortranNpyHeader(spec);
  std::string expected("\x93NUMPY\x01\0\x76\0", 10);
  expected += "{'descr': '<f2', 'fortran_order': True, 'shape': (56, 24, 1024), }";
  expected.resize(127, ' ');
  EXPECT_EQ(header, ToBytes(expected + "\n"));
  EXPECT_EQ(*ParseNpyHeader(header), spec);
}

TEST(NpyTest, CanonicalHeaderParsesBack) {
  const std::vector<std::uint64_t> shapes[] = {
      {}, {0}, {5}, {3, 4}, {123456789, 1, 1, 1, 1, 1, 1, 1}, {1, 1u << 20, 1u << 20, 1, 1, 1, 1, 1}};
  for (const auto& shape : shapes) {
    const TensorSpec spec{DType::kF32, shape};
    const std::vector<std::byte> header = CanonicalNpyHeader(spec);
    EXPECT_EQ(header.size() % 64, 0u);
    const absl::StatusOr<TensorSpec> parsed = ParseNpyHeader(header);
    ASSERT_TRUE(parsed.ok()) << parsed.status();
    EXPECT_EQ(*parsed, spec);
  }
}

TEST(NpyTest, CanonicalHeaderSaysUnsignedForTypesThatNumPyLacks) {
  EXPECT_EQ(CanonicalNpyHeader({DType::kBF16, {2}}), CanonicalNpyHeader({DType::kU16, {2}}));
  EXPECT_EQ(CanonicalNpyHeader({DType::kF8E4M3, {2}}), CanonicalNpyHeader({DType::kU8, {2}}));
  EXPECT_EQ(CanonicalNpyHeader({DType::kF8E5M2, {2}}), CanonicalNpyHeader({DType::kU8, {2}}));
}

}  // namespace
}  // namespace dcac::files
