#include "client/internal/kept_source.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

namespace dcac::client::internal {
namespace {

class KeptSourceTest : public ::testing::Test {
 protected:
  // Gives `text`, in pieces of three bytes.
  KeptSourceTest()
      : source_([this]() -> absl::StatusOr<std::span<const std::byte>> {
          ++asked_;
          const std::span<const char> piece =
              std::span(text_).subspan(given_, std::min(std::size_t{3}, text_.size() - given_));
          given_ += piece.size();
          return std::as_bytes(piece);
        }) {}

  static absl::StatusOr<std::string> Read(KeptSource& kept, std::uint64_t offset, std::size_t count) {
    std::string text(count, ' ');
    const absl::Status status = kept.Read(offset, std::as_writable_bytes(std::span(text)));
    if (!status.ok()) return status;
    return text;
  }

  const std::string text_ = "abcdefgh";
  std::size_t given_ = 0;
  int asked_ = 0;
  const ChunkSource source_;
};

TEST_F(KeptSourceTest, ReadsOnAndAgain) {
  KeptSource kept(source_, 8, 100);
  EXPECT_EQ(*Read(kept, 0, 5), "abcde");
  EXPECT_EQ(*Read(kept, 2, 2), "cd");
  EXPECT_EQ(*Read(kept, 4, 4), "efgh");
  EXPECT_EQ(*Read(kept, 0, 8), "abcdefgh");
  EXPECT_EQ(asked_, 4) << "three pieces and the end";
}

TEST_F(KeptSourceTest, WhatIsForgottenIsUnavailable) {
  KeptSource kept(source_, 8, 100);
  EXPECT_EQ(*Read(kept, 0, 6), "abcdef");
  kept.Forget(4);
  kept.Forget(2);
  EXPECT_EQ(*Read(kept, 4, 4), "efgh");
  EXPECT_EQ(Read(kept, 3, 1).status().code(), absl::StatusCode::kUnavailable);
}

TEST_F(KeptSourceTest, KeepsNoMoreThanItMay) {
  KeptSource kept(source_, 8, 3);
  EXPECT_EQ(*Read(kept, 0, 4), "abcd");
  EXPECT_EQ(*Read(kept, 1, 4), "bcde");
  EXPECT_EQ(Read(kept, 1, 1).status().code(), absl::StatusCode::kUnavailable);
}

TEST_F(KeptSourceTest, LengthsMustFit) {
  KeptSource longer(source_, 9, 100);
  EXPECT_EQ(Read(longer, 0, 9).status().code(), absl::StatusCode::kInvalidArgument);
  given_ = 0;
  KeptSource shorter(source_, 7, 100);
  EXPECT_EQ(Read(shorter, 0, 7).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(KeptSourceErrorTest, ErrorsOfTheSourceAreItsOwn) {
  const ChunkSource source = []() -> absl::StatusOr<std::span<const std::byte>> { return absl::DataLossError("mine"); };
  KeptSource kept(source, 1, 1);
  std::byte byte{};
  EXPECT_EQ(kept.Read(0, {&byte, 1}), absl::DataLossError("mine"));
}

}  // namespace
}  // namespace dcac::client::internal
