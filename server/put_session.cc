#include "server/put_session.h"

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "proto/wire/convert.h"
#include "server/catch_all.h"
#include "server/stored_object.h"

namespace dcac::server {
namespace {

// What has to be the same when an upload goes on; kept as the state of the upload.
std::string ContentOf(const v1::PutHeader& header) {
  v1::PutHeader content = header;
  content.clear_ttl();
  content.clear_condition();
  content.clear_pinned();
  content.clear_upload_id();
  content.clear_chunks_per_answer();
  return content.SerializeAsString();
}

absl::Status NoUpload() {
  return absl::NotFoundError("no such upload");
}

// Takes over what an upload has kept.  What is of no use is removed and was never there.
absl::Status ResumeContent(PutContent& content, store::Upload& upload) {
  const absl::Status status = content.Resume(upload);
  if (!absl::IsDataLoss(status)) return status;
  static_cast<void>(upload.Abort());
  return NoUpload();
}

}  // namespace

PutSession::~PutSession() {
  // What cannot be kept is sent again.
  if (upload_ != nullptr && !object_)
    static_cast<void>(CatchAll([this] { return content_->BreakOff(input_, *upload_); }));
}

absl::Status PutSession::Accept(v1::PutRequest&& request) {
  if (request.has_header()) return Start(request.header());
  if (!content_) return absl::InvalidArgumentError("the first request is not the header");
  if (expected_) return absl::InvalidArgumentError("a request after the trailer");
  if (request.has_trailer()) return AcceptTrailer(request.trailer());
  if (!request.has_chunk()) return absl::InvalidArgumentError("a request without header, chunk or trailer");
  const std::uint64_t end = request.chunk().offset() + request.chunk().data().size() + request_data_.size();
  if (end > content_->input_bytes()) {
    return absl::InvalidArgumentError(
        absl::StrCat("a chunk up to byte ", end, " of ", content_->input_bytes(), " bytes that were announced"));
  }
  return input_.Accept(std::move(*request.mutable_chunk()), std::exchange(request_data_, {}));
}

absl::Status PutSession::Start(const v1::PutHeader& header) {
  if (content_) return absl::InvalidArgumentError("a second header");
  if (header.has_ttl()) {
    DCAC_ASSIGN_OR_RETURN(options_.ttl, TimeToLive(header.ttl()));
  }
  DCAC_ASSIGN_OR_RETURN(options_.condition, ConditionFromProto(header.condition()));
  options_.pinned = header.pinned();
  DCAC_RETURN_IF_ERROR(input_.SetChunksPerAnswer(header.chunks_per_answer()));
  DCAC_ASSIGN_OR_RETURN(std::unique_ptr<PutContent> content, PutContent::Create(header, context_, control()));
  DCAC_RETURN_IF_ERROR(BlockKey(context_.tenant, header.key()).status());
  content_ = std::move(content);
  header_ = header;
  return absl::OkStatus();
}

absl::Status PutSession::OpenUpload() {
  opened_ = true;
  DCAC_ASSIGN_OR_RETURN(const std::string key, BlockKey(context_.tenant, header_.key()));
  if (header_.upload_id().empty()) {
    DCAC_ASSIGN_OR_RETURN(
        upload_, context_.store.Begin(
                     {.key = key, .expected_bytes = content_->expected_block_bytes(), .state = ContentOf(header_)},
                     context_.Control(control().cancelled)));
    return absl::OkStatus();
  }
  DCAC_ASSIGN_OR_RETURN(
      std::unique_ptr<store::Upload> upload,
      context_.store.Resume(header_.upload_id(), context_.tenant, context_.Control(control().cancelled)));
  if (upload->key() != key || upload->state() != ContentOf(header_)) {
    return absl::InvalidArgumentError("header: key or content is not that of the upload");
  }
  DCAC_RETURN_IF_ERROR(ResumeContent(*content_, *upload));
  // From now on it is this content's: one that is not taken over stays as it is.
  upload_ = std::move(upload);
  input_.StartAt(content_->committed_bytes(*upload_));
  return absl::OkStatus();
}

absl::Status PutSession::AcceptTrailer(const v1::CompressTrailer& trailer) {
  DCAC_RETURN_IF_ERROR(wire::DigestFromProto(trailer.digest()).status());
  expected_ = trailer;
  return absl::OkStatus();
}

absl::Status PutSession::AcceptEnd() {
  if (!content_) return absl::InvalidArgumentError("the stream ended without a header");
  const std::uint64_t arrived = input_.consumed_bytes();
  if (arrived != content_->input_bytes()) {
    return absl::InvalidArgumentError(
        absl::StrCat(arrived, " bytes arrived of ", content_->input_bytes(), " that were announced"));
  }
  if (expected_ && expected_->raw_bytes() != arrived) {
    return absl::DataLossError(
        absl::StrCat("trailer.raw_bytes: ", expected_->raw_bytes(), ", but ", arrived, " bytes arrived"));
  }
  ended_ = true;
  return absl::OkStatus();
}

absl::Status PutSession::Work() {
  if (is_to_open()) return OpenUpload();
  if (ended_) return Publish();
  if (input_.empty()) return absl::OkStatus();
  const absl::Status status = content_->Push(input_, kBytesAtOnce, *upload_);
  // What is damaged stays so: nobody is to go on with it.
  if (absl::IsDataLoss(status)) static_cast<void>(upload_->Abort());
  return status;
}

absl::Status PutSession::Publish() {
  absl::Status checked = content_->Finish(*upload_, &options_);
  if (checked.ok() && expected_ && expected_->digest() != wire::ToProto(content_->input_digest())) {
    checked = absl::DataLossError("the digest of what arrived is not that of the trailer");
  }
  if (!checked.ok()) {
    const bool is_interrupted = absl::IsCancelled(checked) || absl::IsDeadlineExceeded(checked) ||
                                absl::IsUnavailable(checked) || absl::IsResourceExhausted(checked);
    // Nothing good comes of going on with what is wrong.
    if (!is_interrupted) static_cast<void>(upload_->Abort());
    return checked;
  }
  DCAC_ASSIGN_OR_RETURN(const store::BlockInfo info, upload_->Commit(options_, context_.Control(control().cancelled)));
  DCAC_ASSIGN_OR_RETURN(object_, ToObject(info));
  return absl::OkStatus();
}

bool PutSession::NextReply(v1::PutResponse* response) {
  if (upload_ == nullptr || object_sent_) return false;
  if (!id_sent_) {
    response->set_upload_id(upload_->id());
    id_sent_ = true;
  } else if (object_) {
    *response->mutable_object() = *object_;
    object_sent_ = true;
  } else if (!input_.answer_is_due()) {
    return false;
  }
  response->set_consumed_bytes(input_.Answer());
  response->set_committed_bytes(object_ ? input_.consumed_bytes() : content_->committed_bytes(*upload_));
  return true;
}

std::uint64_t PutSession::memory_bytes() const {
  if (!content_) return 0;
  const std::uint64_t input_bytes = std::max<std::uint64_t>(1, content_->input_bytes());
  // A frame is hardly larger than its tensor.
  return InputBytesInFlight(input_bytes) + content_->memory_bytes() +
         std::min(context_.store.block_memory_bytes(), 2 * input_bytes);
}

absl::Status QueryUpload(const v1::QueryUploadRequest& request, const StoreContext& context, const WorkControl& control,
                         v1::QueryUploadResponse* response) {
  DCAC_ASSIGN_OR_RETURN(const std::unique_ptr<store::Upload> upload,
                        context.store.Resume(request.upload_id(), context.tenant, context.Control(control.cancelled)));
  v1::PutHeader header;
  if (!header.ParseFromString(upload->state())) return NoUpload();
  DCAC_ASSIGN_OR_RETURN(const std::unique_ptr<PutContent> content, PutContent::Create(header, context, control));
  // A tensor is decoded and encoded again.
  if (context.hold)
    DCAC_RETURN_IF_ERROR(context.hold(2 * content->memory_bytes() + context.store.block_memory_bytes()));
  DCAC_RETURN_IF_ERROR(ResumeContent(*content, *upload));
  response->set_key(header.key());
  response->set_committed_bytes(content->committed_bytes(*upload));
  return absl::OkStatus();
}

}  // namespace dcac::server
