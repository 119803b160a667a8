#include "proto/wire/message_bytes.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "dcac/v1/compression.pb.h"
#include "proto/wire/convert.h"

namespace dcac::wire {
namespace {

SharedBytes Share(std::size_t size, std::size_t begin) {
  auto owner = std::make_shared<std::vector<std::byte>>(size);
  for (std::size_t i = 0; i < size; ++i) (*owner)[i] = static_cast<std::byte>(i * 7);
  return {owner, std::span<const std::byte>(*owner).subspan(begin)};
}

std::string Text(std::span<const std::byte> bytes) {
  return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

template <typename Message>
Message Parse(grpc::ByteBuffer bytes) {
  Message message;
  EXPECT_TRUE(FromByteBuffer(bytes, &message, nullptr));
  return message;
}

template <typename Message>
void ExpectJoinedAsFilledIn(std::size_t size) {
  for (const std::uint64_t offset : {std::uint64_t{0}, std::uint64_t{300}, ~std::uint64_t{0}}) {
    Message message;
    message.set_consumed_bytes(77);
    message.mutable_chunk()->set_offset(offset);
    const SharedBytes data = Share(size, size / 3);
    Message filled = message;
    filled.mutable_chunk()->set_data(Text(data.bytes));
    EXPECT_EQ(Parse<Message>(ToByteBuffer(message, data)).SerializeAsString(), filled.SerializeAsString());
  }
}

TEST(MessageBytesTest, DataThatStaysWhereItIsIsPartOfTheMessage) {
  for (const std::size_t size : {1, 100, 200, 20'000, 1 << 20}) {
    ExpectJoinedAsFilledIn<v1::DecompressResponse>(size);
    ExpectJoinedAsFilledIn<v1::CompressResponse>(size);
  }
}

TEST(MessageBytesTest, DataLivesAsLongAsTheMessage) {
  SharedBytes data = Share(100'000, 0);
  const std::weak_ptr<const void> owner = data.owner;
  v1::DecompressResponse message;
  message.mutable_chunk();
  {
    const grpc::ByteBuffer bytes = ToByteBuffer(message, std::move(data));
    EXPECT_FALSE(owner.expired());
  }
  EXPECT_TRUE(owner.expired());
}

TEST(MessageBytesTest, OtherMessagesAreSerialised) {
  v1::DecompressResponse empty, acknowledgement;
  acknowledgement.set_consumed_bytes(5);
  EXPECT_EQ(ToByteBuffer(empty).Length(), 0u);
  EXPECT_EQ(Parse<v1::DecompressResponse>(ToByteBuffer(acknowledgement, {})).consumed_bytes(), 5u);
  v1::BatchCompressResponse item;
  item.set_item_id(3);
  EXPECT_EQ(Parse<v1::BatchCompressResponse>(ToByteBuffer(item, {})).item_id(), 3u);
}

// The bytes of `text` in slices of `slice_bytes`.
grpc::ByteBuffer Cut(const std::string& text, std::size_t slice_bytes) {
  std::vector<grpc::Slice> slices;
  for (std::size_t begin = 0; begin < text.size(); begin += slice_bytes) {
    slices.emplace_back(text.substr(begin, slice_bytes));
  }
  return grpc::ByteBuffer(slices.data(), slices.size());
}

std::string Text(const SharedPieces& pieces) {
  std::string text;
  for (const auto& piece : pieces.pieces) text += Text(piece);
  return text;
}

// `message` has a chunk with data.
template <typename Message>
void ExpectDataStayWhereTheyCame(const Message& message) {
  for (const std::size_t slice_bytes : {1, 7, 33, 2000, 100'000}) {
    grpc::ByteBuffer bytes = Cut(message.SerializeAsString(), slice_bytes);
    Message parsed;
    SharedPieces data;
    ASSERT_TRUE(FromByteBuffer(bytes, &parsed, &data));
    bytes.Clear();
    EXPECT_EQ(Text(data), message.chunk().data());
    // gRPC joins the smallest slices.
    const std::size_t slices = message.ByteSizeLong() / std::max<std::size_t>(slice_bytes, 23) + 1;
    EXPECT_EQ(data.pieces.size() == 1, slices == 1 || slices > 64) << "they were copied, or many small slices were not";
    *parsed.mutable_chunk()->mutable_data() = Text(data);
    EXPECT_EQ(parsed.SerializeAsString(), message.SerializeAsString());
  }
}

TEST(MessageBytesTest, DataStayWhereTheyCame) {
  for (const std::size_t size : {40, 300, 70'000}) {
    for (const std::uint64_t offset : {std::uint64_t{0}, std::uint64_t{1000}, ~std::uint64_t{0}}) {
      v1::CompressRequest request;
      request.mutable_chunk()->set_offset(offset);
      request.mutable_chunk()->set_data(Text(Share(size, 0).bytes));
      ExpectDataStayWhereTheyCame(request);
      v1::CompressResponse response;
      response.set_consumed_bytes(offset);
      *response.mutable_chunk() = request.chunk();
      ExpectDataStayWhereTheyCame(response);
    }
  }
}

TEST(MessageBytesTest, OtherRequestsAreParsedAsAWhole) {
  v1::CompressRequest chunk, other_chunk, header;
  chunk.mutable_chunk()->set_data("abc");
  other_chunk.mutable_chunk()->set_offset(9);
  header.mutable_header()->mutable_spec()->add_shape(3);
  for (const std::string& text :
       {std::string(), header.SerializeAsString(), other_chunk.SerializeAsString(),
        chunk.SerializeAsString() + other_chunk.SerializeAsString(), chunk.SerializeAsString() + "\x78\x01"}) {
    grpc::ByteBuffer bytes = Cut(text, 1000);
    if (text.empty()) {
      const grpc::Slice nothing;
      bytes = grpc::ByteBuffer(&nothing, 1);
    }
    v1::CompressRequest parsed, expected;
    ASSERT_TRUE(expected.ParseFromString(text));
    SharedPieces data;
    ASSERT_TRUE(FromByteBuffer(bytes, &parsed, &data));
    if (!data.pieces.empty()) parsed.mutable_chunk()->set_data(Text(data));
    EXPECT_EQ(parsed.SerializeAsString(), expected.SerializeAsString());
    EXPECT_LE(data.pieces.size(), 1u);
  }
}

// Whatever comes, it is refused or parsed as the library parses it.
TEST(MessageBytesTest, ChangedBytesAreNothingButWhatTheySay) {
  v1::DecompressRequest request;
  request.mutable_chunk()->set_offset(5);
  request.mutable_chunk()->set_data("abcdef");
  const std::string text = request.SerializeAsString();
  for (std::size_t position = 0; position < text.size(); ++position) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string changed = text;
      changed[position] = static_cast<char>(changed[position] ^ (1 << bit));
      v1::DecompressRequest expected, parsed;
      const bool valid = expected.ParseFromString(changed);
      grpc::ByteBuffer bytes = Cut(changed, 4);
      SharedPieces data;
      EXPECT_EQ(FromByteBuffer(bytes, &parsed, &data), valid);
      if (!valid) continue;
      if (!data.pieces.empty()) parsed.mutable_chunk()->set_data(Text(data));
      EXPECT_EQ(parsed.SerializeAsString(), expected.SerializeAsString());
    }
  }
}

TEST(MessageBytesTest, WhatIsNoMessageIsRefused) {
  const grpc::Slice slice("\x0a\xff");
  grpc::ByteBuffer bytes(&slice, 1);
  v1::CompressRequest request;
  EXPECT_FALSE(FromByteBuffer(bytes, &request, nullptr));
}

}  // namespace
}  // namespace dcac::wire
