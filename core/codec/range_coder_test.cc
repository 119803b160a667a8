#include "core/codec/range_coder.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace dcac {
namespace {

TEST(AdaptiveBitTest, LearnsAndStaysWithinItsBounds) {
  AdaptiveBit model;
  EXPECT_EQ(model.Probability(), 32768u);
  for (int i = 0; i < 10000; ++i) model.Update(false);
  EXPECT_GT(model.Probability(), 65000u);
  EXPECT_LE(model.Probability(), 65535u);
  for (int i = 0; i < 10000; ++i) model.Update(true);
  EXPECT_LT(model.Probability(), 200u);
}

TEST(RangeCoderTest, BitsOfAnyProbabilityRoundTrip) {
  for (uint32_t ones_of_1000 : {0u, 1u, 30u, 500u, 970u, 999u, 1000u}) {
    std::mt19937_64 random(ones_of_1000);
    std::vector<bool> bits;
    for (int i = 0; i < 20000; ++i) bits.push_back(random() % 1000 < ones_of_1000);
    RangeEncoder encoder;
    AdaptiveBit model;
    for (bool bit : bits) encoder.Bit(model, bit);
    const Bytes bytes = encoder.Finish();
    if (ones_of_1000 % 1000 == 0) {
      EXPECT_LT(bytes.size(), 40u);
    }
    RangeDecoder decoder(bytes);
    AdaptiveBit decoded_model;
    for (bool bit : bits) {
      bool decoded = false;
      decoder.Bit(decoded_model, decoded);
      ASSERT_EQ(decoded, bit);
    }
    EXPECT_FALSE(decoder.failed());
  }
}

TEST(RangeCoderTest, NothingTakesNoBytes) {
  RangeEncoder encoder;
  const Bytes bytes = encoder.Finish();
  EXPECT_LE(bytes.size(), 1u);
  EXPECT_FALSE(RangeDecoder(bytes).failed());
}

TEST(RangeCoderTest, DirectBitsOfEveryWidthRoundTrip) {
  std::mt19937_64 random(1);
  std::vector<std::pair<int, uint32_t>> values;
  for (int i = 0; i < 3000; ++i) {
    const int count = static_cast<int>(random() % 33);
    const uint32_t all = count == 0 ? 0 : ~0u >> (32 - count);
    values.push_back({count, random() % 4 == 0 ? all : static_cast<uint32_t>(random()) & all});
  }
  RangeEncoder encoder;
  for (auto [count, value] : values) CodeDirect(encoder, count, value);
  const Bytes bytes = encoder.Finish();
  RangeDecoder decoder(bytes);
  for (auto [count, value] : values) {
    uint32_t decoded = 1;
    CodeDirect(decoder, count, decoded);
    ASSERT_EQ(decoded, value) << count;
  }
  EXPECT_FALSE(decoder.failed());
}

TEST(RangeCoderTest, UniformValuesOfEveryCountRoundTrip) {
  std::mt19937_64 random(3);
  std::vector<std::pair<uint32_t, uint32_t>> values;
  for (int i = 0; i < 4000; ++i) {
    const int bits = static_cast<int>(random() % 33);
    const uint32_t count = std::max(1u, static_cast<uint32_t>(random() >> 32) >> bits % 32);
    for (const uint32_t value : {0u, count - 1, static_cast<uint32_t>(random() % count)})
      values.push_back({count, value});
  }
  for (uint32_t count : {2u, 3u, 4u, 255u, 256u, 257u, 65535u, 65536u, 65537u}) values.push_back({count, count / 2});
  RangeEncoder encoder;
  AdaptiveBit between;
  for (auto [count, value] : values) {
    CodeUniform(encoder, count, value);
    bool bit = value % 2 != 0;
    encoder.Bit(between, bit);
  }
  const Bytes bytes = encoder.Finish();
  RangeDecoder decoder(bytes);
  AdaptiveBit decoded_between;
  for (auto [count, value] : values) {
    uint32_t decoded = 1;
    CodeUniform(decoder, count, decoded);
    ASSERT_EQ(decoded, value) << count;
    bool bit = false;
    decoder.Bit(decoded_between, bit);
    ASSERT_EQ(bit, value % 2 != 0);
  }
  EXPECT_FALSE(decoder.failed());
}

// What is left of the range when it is divided belongs to no value.
TEST(RangeCoderTest, CodesBeyondTheLastValueFail) {
  const Bytes bytes(8, std::byte{0xff});
  for (uint32_t count : {2u, 4u, 7u, 256u, 65536u}) {
    RangeDecoder decoder(bytes);
    uint32_t value = 0;
    CodeUniform(decoder, count, value);
    EXPECT_TRUE(decoder.failed()) << count;
    EXPECT_LT(value, count);
  }
}

// A carry runs through bytes 0xff that wait for it.
TEST(RangeCoderTest, LongCarriesRoundTrip) {
  std::mt19937_64 random(2);
  for (int round = 0; round < 300; ++round) {
    std::vector<uint32_t> values(1 + random() % 40, 0xffffffffu);
    for (uint32_t& value : values) {
      if (random() % 3 == 0) value -= static_cast<uint32_t>(random() % 3);
    }
    RangeEncoder encoder;
    AdaptiveBit skewed;
    for (uint32_t& value : values) {
      CodeDirect(encoder, 32, value);
      bool bit = true;
      encoder.Bit(skewed, bit);
    }
    const Bytes bytes = encoder.Finish();
    RangeDecoder decoder(bytes);
    AdaptiveBit decoded_skewed;
    for (uint32_t value : values) {
      uint32_t decoded = 0;
      bool bit = false;
      CodeDirect(decoder, 32, decoded);
      decoder.Bit(decoded_skewed, bit);
      ASSERT_EQ(decoded, value);
      ASSERT_TRUE(bit);
    }
    ASSERT_FALSE(decoder.failed());
  }
}

TEST(NumberTest, RoundTripsAroundEveryPowerOfTwo) {
  std::vector<uint32_t> values = {0, 1, 2, 0xfffffffeu, 0xfffffffdu};
  for (int bit = 1; bit < 32; ++bit) {
    for (int delta = -2; delta <= 2; ++delta) values.push_back((1u << bit) + static_cast<uint32_t>(delta));
  }
  for (int repeat = 0; repeat < 3; ++repeat) values.insert(values.end(), values.begin(), values.end());
  RangeEncoder encoder;
  AdaptiveNumber model;
  for (uint32_t& value : values) CodeNumber(encoder, model, value);
  EXPECT_FALSE(encoder.failed());
  const Bytes bytes = encoder.Finish();
  RangeDecoder decoder(bytes);
  AdaptiveNumber decoded_model;
  for (uint32_t value : values) {
    uint32_t decoded = 0;
    CodeNumber(decoder, decoded_model, decoded);
    ASSERT_EQ(decoded, value);
  }
  EXPECT_FALSE(decoder.failed());
}

// Class 32 holds one number that fits, 2^32 - 1; a larger one must not come out
// as a small one.
TEST(NumberTest, RefusesNumbersBeyond32Bits) {
  for (bool top : {false, true}) {
    RangeEncoder encoder;
    AdaptiveNumber model;
    for (size_t n = 0; n < 32; ++n) {
      bool more = true;
      encoder.Bit(model.more[n], more);
    }
    bool bit = top;
    encoder.Bit(model.mantissa[32], bit);
    uint32_t rest = 5;
    CodeDirect(encoder, 31, rest);
    const Bytes bytes = encoder.Finish();
    RangeDecoder decoder(bytes);
    AdaptiveNumber decoded_model;
    uint32_t decoded = 0;
    CodeNumber(decoder, decoded_model, decoded);
    EXPECT_TRUE(decoder.failed()) << decoded;
  }
}

TEST(SignedTest, RoundTripsBothSignsUpTo31Bits) {
  std::vector<int32_t> values = {0, 1, -1, 0x7fffffff, -0x7fffffff};
  for (int bit = 1; bit < 31; ++bit) {
    values.push_back(1 << bit);
    values.push_back(-(1 << bit));
  }
  RangeEncoder encoder;
  AdaptiveSigned model;
  for (int32_t& value : values) CodeSigned(encoder, model, value);
  EXPECT_FALSE(encoder.failed());
  const Bytes bytes = encoder.Finish();
  RangeDecoder decoder(bytes);
  AdaptiveSigned decoded_model;
  for (int32_t value : values) {
    int32_t decoded = 0;
    CodeSigned(decoder, decoded_model, decoded);
    ASSERT_EQ(decoded, value);
  }
  EXPECT_FALSE(decoder.failed());
}

TEST(SignedTest, TheEncoderRefusesTheLeastInteger) {
  RangeEncoder encoder;
  AdaptiveSigned model;
  int32_t value = -0x7fffffff - 1;
  CodeSigned(encoder, model, value);
  EXPECT_TRUE(encoder.failed());
}

TEST(SignedTest, TheDecoderRefusesMagnitudesOf32Bits) {
  RangeEncoder encoder;
  AdaptiveNumber model;
  uint32_t value = 0x80000000u;
  CodeNumber(encoder, model, value);
  const Bytes bytes = encoder.Finish();
  RangeDecoder decoder(bytes);
  AdaptiveSigned decoded_model;
  int32_t decoded = 1;
  CodeSigned(decoder, decoded_model, decoded);
  EXPECT_TRUE(decoder.failed());
  EXPECT_EQ(decoded, 0);
}

TEST(UniformTest, RoundTripsEveryValueOfSmallCounts) {
  RangeEncoder encoder;
  for (uint32_t count = 1; count < 70; ++count) {
    for (uint32_t value = 0; value < count; ++value) {
      uint32_t v = value;
      CodeUniform(encoder, count, v);
    }
  }
  EXPECT_FALSE(encoder.failed());
  const Bytes bytes = encoder.Finish();
  RangeDecoder decoder(bytes);
  for (uint32_t count = 1; count < 70; ++count) {
    for (uint32_t value = 0; value < count; ++value) {
      uint32_t decoded = 99;
      CodeUniform(decoder, count, decoded);
      ASSERT_EQ(decoded, value);
    }
  }
  EXPECT_FALSE(decoder.failed());
}

TEST(UniformTest, RefusesValuesBeyondTheCount) {
  RangeEncoder encoder;
  uint32_t value = 0x1ffff;
  CodeDirect(encoder, 17, value);
  const Bytes bytes = encoder.Finish();
  RangeDecoder decoder(bytes);
  CodeUniform(decoder, 0x1fffe, value);
  EXPECT_TRUE(decoder.failed());
  EXPECT_EQ(value, 0u);
  for (const uint32_t count : {6u, 0x1fffeu}) {
    RangeEncoder refusing;
    value = count;
    CodeUniform(refusing, count, value);
    EXPECT_TRUE(refusing.failed());
  }
}

TEST(RangeDecoderTest, FailsSoonAfterTheEndOfItsInput) {
  RangeDecoder decoder{ByteSpan()};
  uint32_t value = 0;
  EXPECT_FALSE(decoder.failed());  // the four zeros an encoder may leave out
  for (int i = 0; i < 4; ++i) CodeDirect(decoder, 32, value);
  EXPECT_TRUE(decoder.failed());
}

TEST(RangeDecoderTest, AnyBytesDecodeToValuesInRange) {
  std::mt19937_64 random(3);
  for (int round = 0; round < 2000; ++round) {
    Bytes bytes(random() % 40);
    for (std::byte& b : bytes) b = random() % 4 == 0 ? std::byte{0xff} : static_cast<std::byte>(random());
    RangeDecoder decoder(bytes);
    AdaptiveNumber number_model;
    AdaptiveSigned signed_model;
    AdaptiveBit bit_model;
    for (int step = 0; step < 200; ++step) {
      uint32_t number = 0;
      int32_t integer = 0;
      bool bit = false;
      switch (random() % 4) {
        case 0:
          CodeNumber(decoder, number_model, number);
          break;
        case 1:
          CodeSigned(decoder, signed_model, integer);
          ASSERT_NE(integer, -0x7fffffff - 1);
          break;
        case 2:
          CodeUniform(decoder, 100, number);
          ASSERT_LT(number, 100u);
          break;
        default:
          decoder.Bit(bit_model, bit);
      }
    }
  }
}

}  // namespace
}  // namespace dcac
