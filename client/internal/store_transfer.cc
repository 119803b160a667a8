#include "client/internal/store_transfer.h"

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/internal/chunk_exchange.h"
#include "client/internal/exchange.h"
#include "client/internal/store_messages.h"
#include "core/base/status_macros.h"
#include "proto/wire/convert.h"
#include "proto/wire/digest_accumulator.h"

namespace dcac::client::internal {
namespace {

class Putter {
 public:
  Putter(v1::PutHeader header, const FrameAccess& input, std::size_t chunk_bytes)
      : header_(std::move(header)), input_(input), buffer_(chunk_bytes) {}

  // One call.  Errors: how it ended; those of the input, after which can_go_on() is false.
  absl::Status Attempt(const CallContext& call, Connection& connection) {
    DCAC_RETURN_IF_ERROR(FindStart(call, connection));
    const ChunkSource source = [this] { return Read(); };
    ChunkSender sender(source, buffer_.size(), position_);
    const std::unique_ptr<PutCall> stream = connection.Put(call);
    v1::PutRequest request;
    *request.mutable_header() = header_;
    const bool begun = stream->Write(request);
    return RunExchange(
        *stream, [&] { return begun && sender.has_credit(); }, [&] { return SendNext(*stream, sender, request); },
        [&](const v1::PutResponse& response) { return Receive(sender, response); });
  }

  bool can_go_on() const { return !local_error_; }
  std::uint64_t committed_bytes() const { return committed_bytes_; }
  const std::optional<v1::StoredObject>& object() const { return object_; }

 private:
  // Where the server is; from the first byte where it knows nothing of the upload.
  absl::Status FindStart(const CallContext& call, Connection& connection) {
    position_ = 0;
    if (header_.upload_id().empty()) return absl::OkStatus();
    v1::QueryUploadRequest request;
    request.set_upload_id(header_.upload_id());
    const absl::StatusOr<v1::QueryUploadResponse> response = connection.QueryUpload(call, request);
    if (absl::IsNotFound(response.status())) {
      header_.clear_upload_id();
      return absl::OkStatus();
    }
    DCAC_RETURN_IF_ERROR(response.status());
    if (response->committed_bytes() > digested_bytes_) {
      return absl::InternalError(absl::StrCat("server: committed_bytes ", response->committed_bytes(),
                                              ", but no more than ", digested_bytes_, " were sent"));
    }
    position_ = response->committed_bytes();
    committed_bytes_ = std::max(committed_bytes_, position_);
    return absl::OkStatus();
  }

  absl::StatusOr<std::span<const std::byte>> Read() {
    const std::size_t count = std::min<std::uint64_t>(buffer_.size(), input_.frame_bytes - position_);
    const std::span<std::byte> bytes = std::span(buffer_).first(count);
    if (count == 0) return bytes;
    const absl::Status status = input_.read(position_, bytes);
    local_error_ = !status.ok();
    DCAC_RETURN_IF_ERROR(status);
    // What is sent again was counted in before.
    const std::uint64_t known = std::min<std::uint64_t>(count, digested_bytes_ - position_);
    digest_.Update(bytes.subspan(known));
    position_ += count;
    digested_bytes_ = std::max(digested_bytes_, position_);
    return bytes;
  }

  absl::StatusOr<bool> SendNext(PutCall& stream, ChunkSender& sender, v1::PutRequest& request) {
    DCAC_ASSIGN_OR_RETURN(const bool more, sender.Next(request.mutable_chunk()));
    if (more) return stream.Write(request);
    request.mutable_trailer()->set_digest(wire::ToProto(digest_.Get()));
    request.mutable_trailer()->set_raw_bytes(input_.frame_bytes);
    if (stream.Write(request)) stream.WritesDone();
    return false;
  }

  absl::Status Receive(ChunkSender& sender, const v1::PutResponse& response) {
    if (!response.upload_id().empty()) header_.set_upload_id(response.upload_id());
    if (response.has_object()) object_ = response.object();
    return sender.OnConsumed(response.consumed_bytes());
  }

  v1::PutHeader header_;
  const FrameAccess& input_;
  std::vector<std::byte> buffer_;
  std::uint64_t position_ = 0;
  std::uint64_t digested_bytes_ = 0;
  std::uint64_t committed_bytes_ = 0;  // as servers said
  wire::DigestAccumulator digest_;
  bool local_error_ = false;
  std::optional<v1::StoredObject> object_;
};

class Getter {
 public:
  Getter(v1::GetRequest request, const ChunkSink& sink) : request_(std::move(request)), sink_(sink) {}

  absl::Status Attempt(const CallContext& call, Connection& connection) {
    if (complete_) return absl::OkStatus();
    start_.reset();
    trailer_.reset();
    received_ = 0;
    call_digest_ = wire::DigestAccumulator();
    const std::unique_ptr<GetCall> stream = connection.Get(call, request_);
    DCAC_RETURN_IF_ERROR(RunExchange(
        *stream, [] { return false; }, []() -> absl::StatusOr<bool> { return false; },
        [this](const v1::GetResponse& response) { return Receive(response); }));
    return CheckEnd();
  }

  std::uint64_t taken_bytes() const { return taken_bytes_; }

  // Asks for what is missing.  False: it cannot be asked for.
  bool GoOn() {
    if (local_error_) return false;
    if (!start_ || received_ == 0) return true;
    if (request_.has_slice()) return false;
    request_.set_if_version(start_->object().version());
    request_.mutable_range()->set_offset(request_.range().offset() + received_);
    request_.mutable_range()->set_size(start_->returned_bytes() - received_);
    complete_ = request_.range().size() == 0;  // a range of size 0 would be all to the end
    return true;
  }

  absl::StatusOr<GotObject> Result() const {
    GotObject got;
    DCAC_ASSIGN_OR_RETURN(got.object, FromProto(start_->object()));
    got.digest = digest_.Get();
    if (!start_->has_spec()) {
      got.spec = got.object.spec;
      return got;
    }
    absl::StatusOr<TensorSpec> spec = wire::FromProto(start_->spec());
    if (!spec.ok()) return absl::InternalError(absl::StrCat("server: ", std::string(spec.status().message())));
    got.spec = *std::move(spec);
    return got;
  }

 private:
  absl::Status Receive(const v1::GetResponse& response) {
    if (trailer_) return absl::InternalError("server: a response after the trailer");
    if (response.has_start()) {
      if (start_) return absl::InternalError("server: a second start");
      start_ = response.start();
    } else if (!start_) {
      return absl::InternalError("server: the first response is not the start");
    } else if (response.has_chunk()) {
      return Take(response.chunk());
    } else if (response.has_trailer()) {
      trailer_ = response.trailer();
    }
    return absl::OkStatus();
  }

  absl::Status Take(const v1::Chunk& chunk) {
    if (chunk.offset() != received_) {
      return absl::InternalError(absl::StrCat("server: chunk has offset ", chunk.offset(), " instead of ", received_));
    }
    if (chunk.data().size() > start_->returned_bytes() - received_) {
      return absl::DataLossError(
          absl::StrCat("the server sent more than the ", start_->returned_bytes(), " bytes that it announced"));
    }
    const std::span<const std::byte> bytes = wire::AsBytes(chunk.data());
    const absl::Status status = sink_(bytes);
    local_error_ = !status.ok();
    DCAC_RETURN_IF_ERROR(status);
    received_ += bytes.size();
    taken_bytes_ += bytes.size();
    call_digest_.Update(bytes);
    digest_.Update(bytes);
    return absl::OkStatus();
  }

  absl::Status CheckEnd() const {
    if (!trailer_) return absl::InternalError("server: the call ended without a trailer");
    if (received_ != start_->returned_bytes() || trailer_->returned_bytes() != received_) {
      return absl::DataLossError(absl::StrCat("the server sent ", received_, " of the ", start_->returned_bytes(),
                                              " bytes that it announced"));
    }
    if (trailer_->digest() == wire::ToProto(call_digest_.Get())) return absl::OkStatus();
    return absl::DataLossError("digest of the bytes differs from the trailer's");
  }

  v1::GetRequest request_;
  const ChunkSink& sink_;
  std::optional<v1::GetStart> start_;
  std::optional<v1::GetTrailer> trailer_;
  std::uint64_t received_ = 0;     // in this call
  std::uint64_t taken_bytes_ = 0;  // in all
  wire::DigestAccumulator call_digest_;
  wire::DigestAccumulator digest_;
  bool local_error_ = false;
  bool complete_ = false;
};

}  // namespace

absl::StatusOr<StoredObject> RunPut(RemoteCalls& calls, const CallContext& call, const v1::PutHeader& header,
                                    const FrameAccess& input, std::size_t chunk_bytes) {
  Putter putter(header, input, chunk_bytes);
  DCAC_RETURN_IF_ERROR(calls.Run(
      call, [&](Connection& connection) { return putter.Attempt(call, connection); },
      [&] { return putter.can_go_on(); }, [&] { return putter.committed_bytes(); }));
  if (!putter.object()) return absl::InternalError("server: the call ended without an object");
  return FromProto(*putter.object());
}

absl::StatusOr<GotObject> RunGet(RemoteCalls& calls, const CallContext& call, const v1::GetRequest& request,
                                 const ChunkSink& sink) {
  Getter getter(request, sink);
  DCAC_RETURN_IF_ERROR(calls.Run(
      call, [&](Connection& connection) { return getter.Attempt(call, connection); }, [&] { return getter.GoOn(); },
      [&] { return getter.taken_bytes(); }));
  return getter.Result();
}

}  // namespace dcac::client::internal
