#include "server/stored_object.h"

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "proto/wire/convert.h"
#include "server/store/key.h"

namespace dcac::server {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kMaxTtl = std::chrono::hours(24 * 366 * 10);

void SetTime(store::Time time, google::protobuf::Timestamp* message) {
  constexpr std::int64_t kMillis = 1000;
  constexpr std::int32_t kNanosOfMilli = 1'000'000;
  const std::int64_t count = time.time_since_epoch().count();
  message->set_seconds(count / kMillis);
  message->set_nanos(static_cast<std::int32_t>(count % kMillis) * kNanosOfMilli);
}

absl::Status NoAttributes(const std::string& key) {
  return absl::DataLossError(absl::StrCat(key, ": what is stored says not what it is"));
}

}  // namespace

absl::StatusOr<std::string> BlockKey(std::string_view tenant, std::string_view key) {
  if (key.empty() || key.size() > kMaxObjectKeyBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("key has ", key.size(), " bytes, expected 1 .. ", kMaxObjectKeyBytes));
  }
  DCAC_RETURN_IF_ERROR(store::CheckKey(key));
  DCAC_ASSIGN_OR_RETURN(std::string block_key, BlockPrefix(tenant, key));
  DCAC_RETURN_IF_ERROR(store::CheckKey(block_key));
  return block_key;
}

absl::StatusOr<std::string> BlockPrefix(std::string_view tenant, std::string_view prefix) {
  if (tenant.find('/') != std::string_view::npos || !store::CheckKey(tenant).ok()) {
    return absl::InvalidArgumentError("the tenant's name cannot be a part of a key");
  }
  if (prefix.size() > kMaxObjectKeyBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("prefix has ", prefix.size(), " bytes, expected at most ", kMaxObjectKeyBytes));
  }
  return absl::StrCat(std::string(tenant), "/", std::string(prefix));
}

absl::Status DescribeTensor(const TensorSpec& spec, const Digest& digest, store::PutOptions* options) {
  DCAC_ASSIGN_OR_RETURN(options->raw_bytes, TensorBytes(spec));
  options->digest = digest;
  v1::StoredObject object;
  object.set_kind(v1::OBJECT_KIND_TENSOR);
  wire::ToProto(spec, object.mutable_spec());
  options->attributes = object.SerializeAsString();
  return absl::OkStatus();
}

void DescribeArchive(std::uint64_t raw_bytes, const Digest& digest, store::PutOptions* options) {
  options->raw_bytes = raw_bytes;
  options->digest = digest;
  v1::StoredObject object;
  object.set_kind(v1::OBJECT_KIND_ARCHIVE);
  options->attributes = object.SerializeAsString();
}

absl::StatusOr<v1::StoredObject> ToObject(const store::BlockInfo& info) {
  const std::size_t tenant_bytes = store::OwnerOf(info.key).size() + 1;
  std::string key = info.key.substr(std::min(tenant_bytes, info.key.size()));
  v1::StoredObject object;
  if (!object.ParseFromString(info.attributes) || object.kind() == v1::OBJECT_KIND_UNSPECIFIED ||
      (object.kind() == v1::OBJECT_KIND_TENSOR && !wire::FromProto(object.spec()).ok())) {
    return NoAttributes(key);
  }
  object.set_key(std::move(key));
  object.set_raw_bytes(info.raw_bytes);
  object.set_stored_bytes(info.size_bytes);
  object.set_digest(wire::ToProto(info.digest));
  SetTime(info.created, object.mutable_created());
  if (info.expires) SetTime(*info.expires, object.mutable_expires());
  object.set_pinned(info.pinned);
  object.set_version(info.version);
  return object;
}

absl::StatusOr<milliseconds> TimeToLive(const google::protobuf::Duration& ttl) {
  constexpr std::int64_t kNanosOfMilli = 1'000'000;
  constexpr std::int64_t kMaxTtlSeconds = kMaxTtl / std::chrono::seconds(1);  // more might overflow as milliseconds
  const bool valid =
      ttl.seconds() >= 0 && ttl.nanos() >= 0 && ttl.nanos() < 1'000'000'000 && ttl.seconds() <= kMaxTtlSeconds;
  const milliseconds time =
      valid ? std::chrono::seconds(ttl.seconds()) + milliseconds(ttl.nanos() / kNanosOfMilli) : milliseconds(0);
  if (time >= milliseconds(1) && time <= kMaxTtl) return time;
  return absl::InvalidArgumentError(
      absl::StrCat("ttl: ", ttl.seconds(), " s and ", ttl.nanos(), " ns, expected 1 ms .. 10 years"));
}

absl::StatusOr<store::Condition> ConditionFromProto(const v1::PutCondition& message) {
  store::Condition condition{.if_absent = message.if_absent(), .if_digest = {}};
  if (message.has_if_digest()) {
    DCAC_ASSIGN_OR_RETURN(condition.if_digest, wire::DigestFromProto(message.if_digest()));
  }
  return condition;
}

}  // namespace dcac::server
