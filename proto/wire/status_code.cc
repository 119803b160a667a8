#include "proto/wire/status_code.h"

#include <cstddef>
#include <string>

#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"
#include "dcac/v1/error_details.pb.h"

namespace dcac::wire {
namespace {

// Metadata of a call may be 8 KiB in all, and a byte of a message takes up to three there.
constexpr std::size_t kMaxMessageLength = 1024;

constexpr bool SameNumber(absl::StatusCode ours, grpc::StatusCode theirs) {
  return static_cast<int>(ours) == static_cast<int>(theirs);
}

static_assert(SameNumber(absl::StatusCode::kOk, grpc::StatusCode::OK));
static_assert(SameNumber(absl::StatusCode::kCancelled, grpc::StatusCode::CANCELLED));
static_assert(SameNumber(absl::StatusCode::kUnknown, grpc::StatusCode::UNKNOWN));
static_assert(SameNumber(absl::StatusCode::kInvalidArgument, grpc::StatusCode::INVALID_ARGUMENT));
static_assert(SameNumber(absl::StatusCode::kDeadlineExceeded, grpc::StatusCode::DEADLINE_EXCEEDED));
static_assert(SameNumber(absl::StatusCode::kNotFound, grpc::StatusCode::NOT_FOUND));
static_assert(SameNumber(absl::StatusCode::kAlreadyExists, grpc::StatusCode::ALREADY_EXISTS));
static_assert(SameNumber(absl::StatusCode::kPermissionDenied, grpc::StatusCode::PERMISSION_DENIED));
static_assert(SameNumber(absl::StatusCode::kResourceExhausted, grpc::StatusCode::RESOURCE_EXHAUSTED));
static_assert(SameNumber(absl::StatusCode::kFailedPrecondition, grpc::StatusCode::FAILED_PRECONDITION));
static_assert(SameNumber(absl::StatusCode::kAborted, grpc::StatusCode::ABORTED));
static_assert(SameNumber(absl::StatusCode::kOutOfRange, grpc::StatusCode::OUT_OF_RANGE));
static_assert(SameNumber(absl::StatusCode::kUnimplemented, grpc::StatusCode::UNIMPLEMENTED));
static_assert(SameNumber(absl::StatusCode::kInternal, grpc::StatusCode::INTERNAL));
static_assert(SameNumber(absl::StatusCode::kUnavailable, grpc::StatusCode::UNAVAILABLE));
static_assert(SameNumber(absl::StatusCode::kDataLoss, grpc::StatusCode::DATA_LOSS));
static_assert(SameNumber(absl::StatusCode::kUnauthenticated, grpc::StatusCode::UNAUTHENTICATED));

// Empty: the status has no payloads.
std::string DetailsOf(const absl::Status& status, const std::string& message) {
  v1::ErrorDetails details;
  status.ForEachPayload([&](absl::string_view url, const absl::Cord& payload) {
    google::protobuf::Any* const any = details.add_details();
    any->set_type_url(url.data(), url.size());
    any->set_value(std::string(payload));
  });
  if (details.details().empty()) return "";
  details.set_code(static_cast<int>(status.code()));
  details.set_message(message);
  return details.SerializeAsString();
}

}  // namespace

grpc::Status ToGrpcStatus(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  const absl::string_view message = status.message().substr(0, kMaxMessageLength);
  const std::string text(message.data(), message.size());
  return grpc::Status(static_cast<grpc::StatusCode>(status.code()), text, DetailsOf(status, text));
}

absl::Status FromGrpcStatus(const grpc::Status& status) {
  absl::Status result(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
  v1::ErrorDetails details;
  if (status.error_details().empty() || !details.ParseFromString(status.error_details())) return result;
  for (const google::protobuf::Any& any : details.details()) result.SetPayload(any.type_url(), absl::Cord(any.value()));
  return result;
}

}  // namespace dcac::wire
