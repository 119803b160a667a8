#include "core/files/safetensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "core/files/test_files.h"

namespace dcac::files {
namespace {

using ::testing::HasSubstr;

Bytes HeaderOf(std::string_view text) {
  Bytes header;
  AppendLittleEndian(text.size(), 8, header);
  AppendBytes(ToBytes(text), header);
  return header;
}

std::string ErrorOf(std::string_view text) {
  const absl::Status status = ParseSafetensorsHeader(HeaderOf(text)).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << text;
  return std::string(status.message());
}

TEST(SafetensorsTest, LengthIsBoundedAndTheTextBegins) {
  EXPECT_EQ(SafetensorsHeaderBytes(HeaderOf("{}")), 10u);
  EXPECT_EQ(SafetensorsHeaderBytes(HeaderOf("{")), std::nullopt);
  EXPECT_EQ(SafetensorsHeaderBytes(HeaderOf("{  }")), 12u);
  EXPECT_EQ(SafetensorsHeaderBytes(HeaderOf("[  ]")), std::nullopt);
  Bytes huge = HeaderOf("{  }");
  huge[3] = std::byte{0xff};
  EXPECT_EQ(SafetensorsHeaderBytes(huge), std::nullopt);
}

TEST(SafetensorsTest, TensorsComeInTheOrderOfTheirBytes) {
  const auto entries = ParseSafetensorsHeader(HeaderOf(
      R"({"__metadata__":{"k":"v","deep":[{"dtype":1}]},"b":{"data_offsets":[8,16],"dtype":"F64","shape":[1]},
          "a":{"dtype":"BF16","shape":[2,2],"data_offsets":[0,8]},"c":{"dtype":"F4","shape":[3],"data_offsets":[16,18]}}  )"));
  ASSERT_TRUE(entries.ok()) << entries.status();
  ASSERT_EQ(entries->size(), 3u);
  EXPECT_EQ((*entries)[0].name, "a");
  EXPECT_EQ((*entries)[0].dtype, DType::kBF16);
  EXPECT_EQ((*entries)[0].shape, (std::vector<std::uint64_t>{2, 2}));
  EXPECT_EQ((*entries)[1].begin, 8u);
  EXPECT_EQ((*entries)[2].dtype, std::nullopt);
}

TEST(SafetensorsTest, RefusesContradictions) {
  EXPECT_THAT(ErrorOf(R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"a":{}})"), HasSubstr("appears twice"));
  EXPECT_THAT(ErrorOf(R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},)"
                      R"("b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}})"),
              HasSubstr("overlaps"));
  EXPECT_THAT(ErrorOf(R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[4,2]}})"), HasSubstr("reversed"));
  EXPECT_THAT(ErrorOf(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,2]}})"), HasSubstr("takes 2 bytes"));
  EXPECT_THAT(ErrorOf(R"({"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]}})"),
              HasSubstr("takes 0 bytes"));
}

TEST(SafetensorsTest, RefusesOtherText) {
  for (const std::string_view text : {"",
                                      "{",
                                      "{}x",
                                      "[]",
                                      "1",
                                      R"({"a":1})",
                                      R"({"a":"x"})",
                                      R"({"a":[]})",
                                      R"({"a":null})",
                                      R"({"a":{}})",
                                      R"({"a":{"dtype":"U8"}})",
                                      R"({"a":{"dtype":1,"shape":[],"data_offsets":[0,1]}})",
                                      R"({"a":{"dtype":"U8","shape":[-1],"data_offsets":[0,1]}})",
                                      R"({"a":{"dtype":"U8","shape":[1.5],"data_offsets":[0,1]}})",
                                      R"({"a":{"dtype":"U8","shape":[[1]],"data_offsets":[0,1]}})",
                                      R"({"a":{"dtype":"U8","shape":[18446744073709551616],"data_offsets":[0,1]}})",
                                      R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1,2]}})",
                                      R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0]}})",
                                      R"({"a":{"dtype":"U8","shape":[1],"shape":[1],"data_offsets":[0,1]}})",
                                      R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1],"more":1}})",
                                      "{\"\xff\":{}}"}) {
    EXPECT_THAT(ErrorOf(text), HasSubstr("malformed safetensors header")) << text;
  }
  const std::string deep(100000, '[');
  ErrorOf(R"({"a":)" + deep);
  ErrorOf(R"({"__metadata__":)" + deep);
  ErrorOf(R"({"a":{"dtype":"U8","shape":[)" + std::string(2000, '1') + "]}}");
}

TEST(SafetensorsTest, EveryPrefixOfARealHeaderIsRefused) {
  const Bytes file = ReadTestFile("files/some.safetensors");
  const auto header_bytes = SafetensorsHeaderBytes(file);
  ASSERT_TRUE(header_bytes);
  const ByteSpan header = ByteSpan(file).first(static_cast<std::size_t>(*header_bytes));
  EXPECT_EQ(ParseSafetensorsHeader(header)->size(), 4u);
  const std::string text = TextAt(header, 8, header.size() - 8);
  for (std::size_t n = 0; n < text.find_last_of('}'); ++n) ErrorOf(text.substr(0, n));
}

}  // namespace
}  // namespace dcac::files
