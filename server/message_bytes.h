// Messages of streams as gRPC moves them: bytes, some of which are not copied into a message and out of it again.
#ifndef DCAC_SERVER_MESSAGE_BYTES_H_
#define DCAC_SERVER_MESSAGE_BYTES_H_

#include <grpcpp/impl/codegen/proto_utils.h>
#include <grpcpp/support/byte_buffer.h>

#include <cstdint>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "server/shared_bytes.h"

namespace dcac::server {

// The bytes of a message: `fields`, and then as field `number` a chunk of the fields `chunk_fields` and the data.
grpc::ByteBuffer JoinChunk(const std::string& fields, int number, const std::string& chunk_fields, SharedBytes data);

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
  grpc::ByteBuffer bytes;
  bool own = false;
  grpc::SerializationTraits<Message>::Serialize(message, &bytes, &own);
  return bytes;
}

// Whether the bytes are a message of nothing but a chunk, its field `number`, in the order in which all libraries write
// it; then, `offset` and `data` are what the chunk has.
bool SplitChunk(grpc::ByteBuffer& bytes, int number, std::uint64_t* offset, SharedPieces* data);

// `chunk_data`: where not null, may get the data of the message's chunk, which then has none.
// Errors: InvalidArgument (no such message).
template <typename Message>
absl::Status FromByteBuffer(grpc::ByteBuffer& bytes, Message* message, SharedPieces* chunk_data) {
  if constexpr (requires { message->mutable_chunk(); }) {
    std::uint64_t offset = 0;
    if (chunk_data != nullptr && SplitChunk(bytes, Message::kChunkFieldNumber, &offset, chunk_data)) {
      message->mutable_chunk()->set_offset(offset);
      return absl::OkStatus();
    }
  }
  if (grpc::SerializationTraits<Message>::Deserialize(&bytes, message).ok()) return absl::OkStatus();
  return absl::InvalidArgumentError("a request that is no message of the contract");
}

}  // namespace dcac::server

#endif  // DCAC_SERVER_MESSAGE_BYTES_H_
