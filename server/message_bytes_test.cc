#include "server/message_bytes.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "dcac/v1/compression.pb.h"
#include "proto/wire/convert.h"

namespace dcac::server {
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
  EXPECT_TRUE(FromByteBuffer(bytes, &message).ok());
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
  const std::weak_ptr<const std::vector<std::byte>> owner = data.owner;
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
  EXPECT_EQ(ToByteBuffer(empty, {}).Length(), 0u);
  EXPECT_EQ(Parse<v1::DecompressResponse>(ToByteBuffer(acknowledgement, {})).consumed_bytes(), 5u);
  v1::BatchCompressResponse item;
  item.set_item_id(3);
  EXPECT_EQ(Parse<v1::BatchCompressResponse>(ToByteBuffer(item, {})).item_id(), 3u);
}

TEST(MessageBytesTest, WhatIsNoMessageIsRefused) {
  const grpc::Slice slice("\x0a\xff");
  grpc::ByteBuffer bytes(&slice, 1);
  v1::CompressRequest request;
  EXPECT_EQ(FromByteBuffer(bytes, &request).code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace dcac::server
