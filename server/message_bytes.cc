#include "server/message_bytes.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/wire_format_lite.h>

#include <array>
#include <cstdint>
#include <memory>

#include "dcac/v1/compression.pb.h"

namespace dcac::server {
namespace {

using google::protobuf::internal::WireFormatLite;

// Of a field that has a length.
std::uint32_t TagOf(int number) {
  return WireFormatLite::MakeTag(number, WireFormatLite::WIRETYPE_LENGTH_DELIMITED);
}

// What a message that refers to the bytes holds until gRPC has sent them.
using Owner = std::shared_ptr<const std::vector<std::byte>>;

grpc::Slice Refer(SharedBytes data) {
  auto owner = std::make_unique<Owner>(std::move(data.owner));
  // gRPC reads them only.
  void* const begin = const_cast<std::byte*>(data.bytes.data());
  return grpc::Slice(
      begin, data.bytes.size(), [](void* used) { delete static_cast<Owner*>(used); }, owner.release());
}

}  // namespace

grpc::ByteBuffer JoinChunk(const std::string& fields, int number, const std::string& chunk_fields, SharedBytes data) {
  std::string data_head, head = fields;
  {
    google::protobuf::io::StringOutputStream stream(&data_head);
    google::protobuf::io::CodedOutputStream out(&stream);
    out.WriteTag(TagOf(v1::Chunk::kDataFieldNumber));
    out.WriteVarint64(data.bytes.size());
  }
  {
    google::protobuf::io::StringOutputStream stream(&head);
    google::protobuf::io::CodedOutputStream out(&stream);
    out.WriteTag(TagOf(number));
    out.WriteVarint64(chunk_fields.size() + data_head.size() + data.bytes.size());
    out.WriteString(chunk_fields);
    out.WriteString(data_head);
  }
  const std::array<grpc::Slice, 2> slices = {grpc::Slice(head), Refer(std::move(data))};
  return grpc::ByteBuffer(slices.data(), slices.size());
}

}  // namespace dcac::server
