#include "server/store/key.h"

#include <gtest/gtest.h>

#include <string>

#include "server/store/block_store.h"

namespace dcac::store {
namespace {

TEST(KeyTest, TakesPartsOfUtf8) {
  for (const char* key : {"a", "a/b/c", "t/resnet50/layer2.0.conv1/17", "ü/€/😀", "...", "a/..b", "a b"}) {
    EXPECT_TRUE(CheckKey(key).ok()) << key;
  }
  EXPECT_TRUE(CheckKey(std::string(kMaxKeyBytes, 'k')).ok());
}

TEST(KeyTest, RefusesWhatIsNone) {
  for (const std::string& key :
       {std::string(), std::string(kMaxKeyBytes + 1, 'k'), std::string("/"), std::string("/a"), std::string("a/"),
        std::string("a//b"), std::string("."), std::string("a/../b"), std::string("a/."), std::string("a\nb"),
        std::string("a\0b", 3), std::string("\x7F"), std::string("\xC2\x85"), std::string("\xC0\xAF"),
        std::string("\xED\xA0\x80"), std::string("\xF4\x90\x80\x80"), std::string("\xE2\x82"), std::string("\x80")}) {
    EXPECT_EQ(CheckKey(key).code(), absl::StatusCode::kInvalidArgument) << key;
  }
}

TEST(KeyTest, OwnerIsTheFirstPart) {
  EXPECT_EQ(OwnerOf("tenant/model/layer"), "tenant");
  EXPECT_EQ(OwnerOf("tenant"), "tenant");
}

}  // namespace
}  // namespace dcac::store
