#include "proto/wire/message_bytes.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/wire_format_lite.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace dcac::wire {
namespace {

using google::protobuf::internal::WireFormatLite;

// Of a field that has a length.
std::uint32_t TagOf(int number) {
  return WireFormatLite::MakeTag(number, WireFormatLite::WIRETYPE_LENGTH_DELIMITED);
}

// What a message that refers to the bytes holds until gRPC has sent them.
using Owner = std::shared_ptr<const void>;

grpc::Slice Refer(SharedBytes data) {
  auto owner = std::make_unique<Owner>(std::move(data.owner));
  // gRPC reads them only.
  void* const begin = const_cast<std::byte*>(data.bytes.data());
  return grpc::Slice(
      begin, data.bytes.size(), [](void* used) { delete static_cast<Owner*>(used); }, owner.release());
}

// Room for the fields before the data.
constexpr std::size_t kMaxHeadBytes = 64;

// Slices take memory beside what they hold, of small ones several times as much: who sends those has them copied.
constexpr std::size_t kFewSlices = 64, kSmallSliceBytes = 512;

// What comes before the data of a message as SplitChunk wants it.
struct Head {
  std::string fields;  // before the chunk
  std::size_t bytes = 0;
  std::uint64_t offset = 0;
};

std::optional<Head> ReadHead(const std::vector<grpc::Slice>& slices, std::size_t total, int number) {
  std::string text;
  for (const grpc::Slice& slice : slices) {
    text.append(reinterpret_cast<const char*>(slice.begin()), std::min(slice.size(), kMaxHeadBytes - text.size()));
    if (text.size() == kMaxHeadBytes) break;
  }
  google::protobuf::io::CodedInputStream in(reinterpret_cast<const std::uint8_t*>(text.data()),
                                            static_cast<int>(text.size()));
  const auto position = [&in] { return static_cast<std::size_t>(in.CurrentPosition()); };
  Head head;
  std::uint64_t size = 0;
  std::uint32_t tag = in.ReadTag();
  for (; tag != TagOf(number); tag = in.ReadTag()) {
    if (WireFormatLite::GetTagWireType(tag) != WireFormatLite::WIRETYPE_VARINT || tag == 0) return std::nullopt;
    if (!in.ReadVarint64(&size)) return std::nullopt;
    head.fields = text.substr(0, position());
  }
  // The rest of the message from here on.
  const auto ends_message = [&](std::uint64_t rest) { return rest == total - position(); };
  if (!in.ReadVarint64(&size) || !ends_message(size)) return std::nullopt;
  tag = in.ReadTag();
  if (tag == WireFormatLite::MakeTag(v1::Chunk::kOffsetFieldNumber, WireFormatLite::WIRETYPE_VARINT)) {
    if (!in.ReadVarint64(&head.offset)) return std::nullopt;
    tag = in.ReadTag();
  }
  if (tag != TagOf(v1::Chunk::kDataFieldNumber) || !in.ReadVarint64(&size) || size == 0 || !ends_message(size)) {
    return std::nullopt;
  }
  head.bytes = position();
  return head;
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

SharedPieces TakeData(v1::Chunk& chunk) {
  if (chunk.data().empty()) return {};
  const auto owner = std::make_shared<const std::string>(std::move(*chunk.mutable_data()));
  chunk.clear_data();
  return {owner, {std::as_bytes(std::span(*owner))}};
}

bool SplitChunk(grpc::ByteBuffer& bytes, int number, std::string* fields, std::uint64_t* offset, SharedPieces* data) {
  const auto slices = std::make_shared<std::vector<grpc::Slice>>();
  if (!bytes.Dump(slices.get()).ok()) return false;
  if (slices->size() > kFewSlices && bytes.Length() / slices->size() < kSmallSliceBytes) return false;
  std::optional<Head> head = ReadHead(*slices, bytes.Length(), number);
  if (!head) return false;
  *fields = std::move(head->fields);
  *offset = head->offset;
  std::size_t skip = head->bytes;
  data->pieces.clear();
  for (const grpc::Slice& slice : *slices) {
    const std::size_t skipped = std::min(skip, slice.size());
    skip -= skipped;
    if (skipped < slice.size()) {
      data->pieces.push_back(std::as_bytes(std::span(slice.begin(), slice.size())).subspan(skipped));
    }
  }
  data->owner = slices;
  return true;
}

}  // namespace dcac::wire
