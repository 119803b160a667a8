#include "server/store/s3_names.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

namespace dcac::store {
namespace {

// Keys of characters that sort beside each other, of any length.
std::vector<std::string> SomeKeys() {
  const std::vector<std::string> parts = {"a", "A", "/", "-", ".", "0", "9", ":", "@", "Z", "[",
                                          "_", "`", "z", "{", "~", "!", " ", "%", "ü", "€", "\xf0\x9f\x98\x80"};
  std::mt19937 random(1);
  std::vector<std::string> keys;
  for (const std::size_t most : {1, 2, 3, 100, 400}) {
    for (int i = 0; i < 500; ++i) {
      std::string key;
      for (std::size_t n = random() % most + 1; n > 0; --n) key += parts[random() % parts.size()];
      keys.push_back(key);
      keys.push_back(std::string(random() % 450, 'x') + key);
    }
  }
  for (std::size_t n = 195; n < 206; ++n) keys.push_back(std::string(n, 'x'));
  return keys;
}

TEST(S3Names, SortAsKeysDo) {
  const std::vector<std::string> keys = SomeKeys();
  for (std::size_t i = 1; i < keys.size(); ++i) {
    const std::string a = EncodeKey(keys[i - 1]), b = EncodeKey(keys[i]);
    if (CutGroup(a) || CutGroup(b)) continue;
    EXPECT_EQ(keys[i - 1] < keys[i], a < b) << keys[i - 1] << "\n" << keys[i];
  }
}

TEST(S3Names, ComeBackAsKeys) {
  for (const std::string& key : SomeKeys()) {
    const std::string name = EncodeKey(key);
    EXPECT_EQ(name.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!-.=_~/"),
              std::string::npos);
    EXPECT_LE(name.size(), kMaxEncodedBytes + 50);
    if (CutGroup(name)) {
      EXPECT_TRUE(name.starts_with(*CutGroup(name)));
      EXPECT_FALSE(DecodeKey(name));
    } else {
      EXPECT_EQ(DecodeKey(name), key);
    }
  }
}

TEST(S3Names, PartsAreNoLongerThanNamesOfFiles) {
  std::string name = EncodeKey(std::string(kMaxKeyBytes, '/'));
  while (!name.empty()) {
    const std::size_t end = std::min(name.find('/'), name.size());
    EXPECT_LE(end, 255u);
    name.erase(0, end + 1);
  }
}

TEST(S3Names, BeginAsTheirPrefixes) {
  for (const std::string& key : SomeKeys()) {
    for (std::size_t n = 0; n <= key.size(); n += 7) {
      EXPECT_TRUE(EncodeKey(key).starts_with(EncodePrefix(key.substr(0, n)))) << key << " " << n;
    }
  }
}

TEST(S3Names, IdsTellTheirTime) {
  const Time now{std::chrono::milliseconds(1'700'000'000'123)};
  const std::string id = NewId(now);
  EXPECT_LE(id.size(), 64u);
  EXPECT_NE(id, NewId(now));
  EXPECT_EQ(TimeOfId(id), now);
  for (const char* text : {"", "x", "../../../../../../../../../../../../../../etc"}) EXPECT_FALSE(TimeOfId(text));
}

}  // namespace
}  // namespace dcac::store
