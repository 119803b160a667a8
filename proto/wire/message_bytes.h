// Messages of streams as gRPC moves them: bytes, of which the data of chunks are not copied into a message and out of
// it again.
#ifndef DCAC_PROTO_WIRE_MESSAGE_BYTES_H_
#define DCAC_PROTO_WIRE_MESSAGE_BYTES_H_

#include <grpcpp/impl/codegen/proto_utils.h>
#include <grpcpp/support/byte_buffer.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include "dcac/v1/compression.pb.h"
#include "proto/wire/shared_bytes.h"

namespace dcac::wire {

// The bytes of a message: `fields`, and then as field `number` a chunk of the fields `chunk_fields` and the data.
grpc::ByteBuffer JoinChunk(const std::string& fields, int number, const std::string& chunk_fields, SharedBytes data);

template <typename Message>
grpc::ByteBuffer ToByteBuffer(const Message& message) {
  grpc::ByteBuffer bytes;
  bool own = false;
  grpc::SerializationTraits<Message>::Serialize(message, &bytes, &own);
  return bytes;
}

// The bytes of `message`, whose chunk gets `chunk_data` as its data where that is not empty.
template <typename Message>
grpc::ByteBuffer ToByteBuffer(Message& message, SharedBytes chunk_data) {
  if constexpr (requires { message.mutable_chunk(); }) {
    if (!chunk_data.bytes.empty()) {
      const std::string chunk_fields = message.chunk().SerializeAsString();
      message.clear_chunk();
      return JoinChunk(message.SerializeAsString(), Message::kChunkFieldNumber, chunk_fields, std::move(chunk_data));
    }
  }
  return ToByteBuffer(std::as_const(message));
}

// Takes a message apart that ends with a chunk, its field `number`, and has numbers before it at most, in the order in
// which all libraries write a chunk: `fields` are the bytes before the chunk, `offset` and `data` what the chunk has.
// False: it is no such message, or came in many small slices; it may be one all the same.
bool SplitChunk(grpc::ByteBuffer& bytes, int number, std::string* fields, std::uint64_t* offset, SharedPieces* data);

// Takes the data out of the chunk; no pieces where it has none.
SharedPieces TakeData(v1::Chunk& chunk);

// The same of the message's chunk, if there is one.
template <typename Message>
SharedPieces TakeChunkData(Message& message) {
  if constexpr (requires { message.mutable_chunk(); }) {
    if (message.has_chunk()) return TakeData(*message.mutable_chunk());
  }
  return {};
}

// `chunk_data`: where not null, gets the data of the message's chunk, which then has none.  False: they are no message.
template <typename Message>
bool FromByteBuffer(grpc::ByteBuffer& bytes, Message* message, SharedPieces* chunk_data) {
  if constexpr (requires { message->mutable_chunk(); }) {
    std::string fields;
    std::uint64_t offset = 0;
    if (chunk_data != nullptr && SplitChunk(bytes, Message::kChunkFieldNumber, &fields, &offset, chunk_data)) {
      if (!message->ParseFromString(fields)) return false;
      message->mutable_chunk()->set_offset(offset);
      return true;
    }
  }
  if (!grpc::SerializationTraits<Message>::Deserialize(&bytes, message).ok()) return false;
  if (chunk_data != nullptr) *chunk_data = TakeChunkData(*message);
  return true;
}

}  // namespace dcac::wire

#endif  // DCAC_PROTO_WIRE_MESSAGE_BYTES_H_
