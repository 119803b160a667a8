#include "client/internal/store_messages.h"

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "proto/wire/convert.h"
#include "proto/wire/limits.h"

namespace dcac::client::internal {
namespace {

using std::chrono::system_clock;

system_clock::time_point TimeOf(const google::protobuf::Timestamp& message) {
  return system_clock::time_point(std::chrono::duration_cast<system_clock::duration>(
      std::chrono::seconds(message.seconds()) + std::chrono::nanoseconds(message.nanos())));
}

absl::Status NoObject(const absl::Status& why) {
  return absl::InternalError(absl::StrCat("server: object: ", std::string(why.message())));
}

std::uint64_t EndOf(std::uint64_t end) {
  return end == Slice::kAll ? 0 : end;
}

}  // namespace

absl::StatusOr<StoredObject> FromProto(const v1::StoredObject& message) {
  StoredObject object{.key = message.key(),
                      .kind = message.kind() == v1::OBJECT_KIND_ARCHIVE ? ObjectKind::kArchive : ObjectKind::kTensor,
                      .raw_bytes = message.raw_bytes(),
                      .stored_bytes = message.stored_bytes(),
                      .created = TimeOf(message.created()),
                      .pinned = message.pinned(),
                      .version = message.version()};
  if (message.has_expires()) object.expires = TimeOf(message.expires());
  const absl::StatusOr<Digest> digest = wire::DigestFromProto(message.digest());
  if (!digest.ok()) return NoObject(digest.status());
  object.digest = *digest;
  if (object.kind == ObjectKind::kArchive) return object;
  absl::StatusOr<TensorSpec> spec = wire::FromProto(message.spec());
  if (!spec.ok()) return NoObject(spec.status());
  object.spec = *std::move(spec);
  return object;
}

v1::SliceRange ToProto(const Slice& slice) {
  v1::SliceRange message;
  message.set_item_begin(slice.item_begin);
  message.set_item_end(EndOf(slice.item_end));
  message.set_plane_begin(slice.plane_begin);
  message.set_plane_end(EndOf(slice.plane_end));
  message.set_row_begin(slice.row_begin);
  message.set_row_end(EndOf(slice.row_end));
  return message;
}

void ToProto(std::chrono::milliseconds time, google::protobuf::Duration* message) {
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(time);
  message->set_seconds(seconds.count());
  message->set_nanos(static_cast<std::int32_t>(std::chrono::nanoseconds(time - seconds).count()));
}

std::span<const std::string> KeysOfRequest(std::span<const std::string> keys) {
  constexpr std::size_t kMaxKeys = 10'000;
  constexpr std::size_t kFieldBytes = 6;  // of a key beside its text, at most
  std::size_t count = 0, bytes = 0;
  while (count < std::min(kMaxKeys, keys.size())) {
    bytes += keys[count].size() + kFieldBytes;
    if (bytes > wire::kMaxUnaryBytes && count > 0) break;
    ++count;
  }
  return keys.first(count);
}

v1::GetRequest RequestOf(std::string_view key, v1::ObjectForm form) {
  v1::GetRequest request;
  request.set_key(std::string(key));
  request.set_form(form);
  return request;
}

v1::PutHeader HeaderOf(std::string_view key, const PutOptions& options) {
  v1::PutHeader header;
  header.set_key(std::string(key));
  if (options.ttl) ToProto(*options.ttl, header.mutable_ttl());
  if (options.if_absent) header.mutable_condition()->set_if_absent(true);
  if (options.if_digest) header.mutable_condition()->set_if_digest(wire::ToProto(*options.if_digest));
  header.set_pinned(options.pinned);
  header.set_upload_id(options.upload_id);
  return header;
}

}  // namespace dcac::client::internal
