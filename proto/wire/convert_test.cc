#include "proto/wire/convert.h"

#include <gtest/gtest.h>

#include <string>

namespace dcac::wire {
namespace {

TEST(ConvertTest, SpecSurvivesTheRoundTrip) {
  const TensorSpec spec{DType::kBF16, {2, 0, 7}, Layout::kNchw};
  v1::TensorSpec message;
  ToProto(spec, &message);
  EXPECT_EQ(message.dtype(), v1::DATA_TYPE_BF16);
  EXPECT_EQ(*FromProto(message), spec);
}

TEST(ConvertTest, OptionsSurviveTheRoundTrip) {
  const EncodeOptions options{.level = 3,
                              .mode = Mode::kDcac,
                              .segment_bytes = 8192,
                              .max_references = 0,
                              .window = 5,
                              .similarity = Similarity::kCorrelation,
                              .previous_item = false,
                              .rope_choice = RopeChoice::kGiven,
                              .rope = {128, 64, 500000, true}};
  v1::EncodeOptions message;
  ToProto(options, &message);
  const EncodeOptions back = *FromProto(message);
  EXPECT_EQ(back.level, 3);
  EXPECT_EQ(back.mode, Mode::kDcac);
  EXPECT_EQ(back.segment_bytes, 8192u);
  EXPECT_EQ(back.max_references, 0);
  EXPECT_EQ(back.window, 5);
  EXPECT_EQ(back.similarity, Similarity::kCorrelation);
  EXPECT_FALSE(back.previous_item);
  EXPECT_EQ(back.rope_choice, RopeChoice::kGiven);
  EXPECT_EQ(back.rope, options.rope);
}

TEST(ConvertTest, FieldsLeftOutHaveCoresDefaults) {
  const EncodeOptions options = *FromProto(v1::EncodeOptions());
  EXPECT_EQ(options.level, EncodeOptions::kDefaultLevel);
  EXPECT_EQ(options.segment_bytes, EncodeOptions::kDefaultSegmentBytes);
  EXPECT_EQ(options.mode, Mode::kLs);
  EXPECT_FALSE(options.max_references.has_value());
  EXPECT_TRUE(options.previous_item);
  EXPECT_EQ(options.rope_choice, RopeChoice::kTry);
}

TEST(ConvertTest, UnknownEnumValuesAreRefused) {
  v1::TensorSpec spec;
  spec.set_layout(v1::LAYOUT_NCHW);
  EXPECT_EQ(FromProto(spec).status().code(), absl::StatusCode::kInvalidArgument) << "no dtype";
  spec.set_dtype(static_cast<v1::DataType>(99));
  EXPECT_EQ(FromProto(spec).status().code(), absl::StatusCode::kInvalidArgument);
  spec.set_dtype(v1::DATA_TYPE_U8);
  spec.set_layout(v1::LAYOUT_UNSPECIFIED);
  EXPECT_EQ(FromProto(spec).status().code(), absl::StatusCode::kInvalidArgument) << "no layout";

  v1::EncodeOptions options;
  options.set_mode(static_cast<v1::Mode>(7));
  EXPECT_EQ(FromProto(options).status().code(), absl::StatusCode::kInvalidArgument);
  options.clear_mode();
  options.set_similarity(static_cast<v1::Similarity>(-1));
  EXPECT_EQ(FromProto(options).status().code(), absl::StatusCode::kInvalidArgument);
  options.clear_similarity();
  options.set_rope_choice(static_cast<v1::RopeChoice>(3));
  EXPECT_EQ(FromProto(options).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(ConvertTest, TooManyAxesAreRefused) {
  v1::TensorSpec message;
  ToProto(TensorSpec{DType::kU8, std::vector<std::uint64_t>(9, 1), Layout::kNchw}, &message);
  EXPECT_EQ(FromProto(message).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(ConvertTest, DigestOfAnotherLengthIsRefused) {
  Digest digest;
  digest.fill(std::byte{0xa5});
  EXPECT_EQ(*DigestFromProto(ToProto(digest)), digest);
  EXPECT_EQ(DigestFromProto(std::string(15, 'x')).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(DigestFromProto("").status().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace dcac::wire
