#include "client/internal/store_transfer.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <utility>
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
  Putter(v1::PutHeader header, const FrameAccess& input, std::size_t chunk_bytes, const UploadObserver& observer)
      : header_(std::move(header)),
        input_(input),
        observer_(observer),
        buffer_(chunk_bytes),
        was_begun_before_(!header_.upload_id().empty()) {}

  // One call.  Errors: how it ended; those of the input, after which can_go_on() is false.
  absl::Status Attempt(const CallContext& call, Connection& connection, ChunkSizes chunk_bytes) {
    DCAC_RETURN_IF_ERROR(FindStart(call, connection));
    const ChunkSource source = [this] { return Read(); };
    ChunkSender sender(source, chunk_bytes, position_);
    const std::unique_ptr<PutCall> stream = connection.Put(call);
    v1::PutRequest header;
    *header.mutable_header() = header_;
    header.mutable_header()->set_chunks_per_answer(kChunksPerAnswer);
    const bool begun = stream->WriteMore(header);
    return RunExchange(
        *stream, [&] { return begun && sender.has_credit(); }, [&] { return SendNext(*stream, sender); },
        [&](const v1::PutResponse& response, const wire::SharedPieces&) { return Receive(sender, response); });
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
      was_begun_before_ = false;
      return absl::OkStatus();
    }
    DCAC_RETURN_IF_ERROR(response.status());
    const std::uint64_t most = was_begun_before_ ? input_.frame_bytes : digested_bytes_;
    if (response->committed_bytes() > most) {
      return absl::InternalError(absl::StrCat("server: committed_bytes ", response->committed_bytes(),
                                              ", but no more than ", most, " were sent"));
    }
    OnCommitted(response->committed_bytes());
    return DigestUntil(response->committed_bytes());
  }

  // Goes to `offset`; bytes that are passed for the first time, since another process sent them, are counted in.
  absl::Status DigestUntil(std::uint64_t offset) {
    position_ = std::min(digested_bytes_, offset);
    while (position_ < offset) DCAC_RETURN_IF_ERROR(Read(offset - position_).status());
    return absl::OkStatus();
  }

  void OnCommitted(std::uint64_t bytes) {
    if (bytes <= committed_bytes_) return;
    committed_bytes_ = bytes;
    if (observer_.on_commit) observer_.on_commit(bytes);
  }

  absl::StatusOr<std::span<const std::byte>> Read(std::uint64_t most = std::numeric_limits<std::uint64_t>::max()) {
    const std::size_t count = std::min({std::uint64_t{buffer_.size()}, input_.frame_bytes - position_, most});
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

  absl::StatusOr<bool> SendNext(PutCall& stream, ChunkSender& sender) {
    v1::PutRequest request;
    DCAC_ASSIGN_OR_RETURN(wire::SharedBytes data, sender.Next(request.mutable_chunk()));
    if (!data.bytes.empty()) return stream.WriteChunk(request, std::move(data), sender.has_credit());
    request.mutable_trailer()->set_digest(wire::ToProto(digest_.Get()));
    request.mutable_trailer()->set_raw_bytes(input_.frame_bytes);
    stream.WriteLast(request);
    return false;
  }

  absl::Status Receive(ChunkSender& sender, const v1::PutResponse& response) {
    if (!response.upload_id().empty() && response.upload_id() != header_.upload_id()) {
      header_.set_upload_id(response.upload_id());
      if (observer_.on_begin) observer_.on_begin(response.upload_id());
    }
    OnCommitted(std::min(response.committed_bytes(), sender.sent_bytes()));
    if (response.has_object()) object_ = response.object();
    return sender.OnConsumed(response.consumed_bytes());
  }

  v1::PutHeader header_;
  const FrameAccess& input_;
  const UploadObserver& observer_;
  std::vector<std::byte> buffer_;
  bool was_begun_before_;  // by another process, which sent bytes that this one did not
  std::uint64_t position_ = 0;
  std::uint64_t digested_bytes_ = 0;
  std::uint64_t committed_bytes_ = 0;  // as servers said
  wire::DigestAccumulator digest_;
  bool local_error_ = false;
  std::optional<v1::StoredObject> object_;
};

class Getter {
 public:
  Getter(v1::GetRequest request, TransferOutput& output, Expected expected)
      : request_(std::move(request)), output_(output), expected_(expected) {}

  absl::Status Attempt(const CallContext& call, Connection& connection) {
    if (complete_) return absl::OkStatus();
    start_.reset();
    trailer_.reset();
    received_ = 0;
    call_digest_ = wire::DigestAccumulator();
    const std::unique_ptr<GetCall> stream = connection.Get(call, request_);
    DCAC_RETURN_IF_ERROR(RunExchange(
        *stream, [] { return false; }, []() -> absl::StatusOr<bool> { return false; },
        [this](const v1::GetResponse& response, const wire::SharedPieces& data) { return Receive(response, data); }));
    return CheckEnd();
  }

  std::uint64_t progress() const { return progress_; }

  // Whether the version that is read was chosen here, so that another one would do as well.
  bool chose_version() const { return first_start_.has_value() && !local_error_; }

  // Asks for what is missing.  False: it cannot be asked for.
  bool GoOn() {
    if (local_error_) return false;
    if (!start_) return true;
    request_.set_if_version(start_->object().version());
    if (received_ == 0) return true;
    if (request_.has_slice()) return BeginAgain();
    request_.mutable_range()->set_offset(request_.range().offset() + received_);
    request_.mutable_range()->set_size(start_->returned_bytes() - received_);
    complete_ = request_.range().size() == 0;  // a range of size 0 would be all to the end
    return true;
  }

  absl::StatusOr<GotObject> Result() const {
    GotObject got;
    DCAC_ASSIGN_OR_RETURN(got.object, FromProto(first_start_->object()));
    DCAC_ASSIGN_OR_RETURN(got.spec, SpecOf(*first_start_));
    got.digest = digest_.Get();
    got.returned_bytes = taken_bytes_;
    return got;
  }

 private:
  static absl::StatusOr<TensorSpec> SpecOf(const v1::GetStart& start) {
    if (!start.has_spec() && start.object().kind() == v1::OBJECT_KIND_ARCHIVE) return TensorSpec();
    absl::StatusOr<TensorSpec> spec = wire::FromProto(start.has_spec() ? start.spec() : start.object().spec());
    if (!spec.ok()) return absl::InternalError(absl::StrCat("server: ", std::string(spec.status().message())));
    return spec;
  }

  bool BeginAgain() {
    if (!output_.Rewind()) return false;
    digest_ = wire::DigestAccumulator();
    taken_bytes_ = 0;
    return true;
  }

  absl::Status Receive(const v1::GetResponse& response, const wire::SharedPieces& data) {
    if (trailer_) return absl::InternalError("server: a response after the trailer");
    if (response.has_start()) {
      if (start_) return absl::InternalError("server: a second start");
      return Begin(response.start());
    }
    if (!start_) return absl::InternalError("server: the first response is not the start");
    if (response.has_chunk()) return Take(response.chunk(), data);
    if (response.has_trailer()) trailer_ = response.trailer();
    return absl::OkStatus();
  }

  absl::Status Begin(const v1::GetStart& start) {
    if (first_start_ && start.object().version() != first_start_->object().version()) {
      return absl::InternalError("server: the rest is of another version than if_version");
    }
    start_ = start;
    if (first_start_) return absl::OkStatus();
    if (expected_ == Expected::kTensor && start.object().kind() != v1::OBJECT_KIND_TENSOR) {
      return absl::InvalidArgumentError(absl::StrCat(start.object().key(), " is an archive, expected a tensor"));
    }
    if (request_.form() == v1::OBJECT_FORM_UNSPECIFIED) DCAC_RETURN_IF_ERROR(BeginTensor(start));
    first_start_ = start;
    return absl::OkStatus();
  }

  absl::Status BeginTensor(const v1::GetStart& start) {
    DCAC_ASSIGN_OR_RETURN(const TensorSpec spec, SpecOf(start));
    if (TensorBytes(spec).value_or(0) != start.returned_bytes()) {
      return absl::InternalError(
          absl::StrCat("server: ", start.returned_bytes(), " bytes are not those of a tensor of its spec"));
    }
    const absl::Status status = output_.Begin(spec);
    local_error_ = !status.ok();
    return status;
  }

  absl::Status Take(const v1::Chunk& chunk, const wire::SharedPieces& data) {
    if (chunk.offset() != received_) {
      return absl::InternalError(absl::StrCat("server: chunk has offset ", chunk.offset(), " instead of ", received_));
    }
    if (data.size() > start_->returned_bytes() - received_) {
      return absl::DataLossError(
          absl::StrCat("the server sent more than the ", start_->returned_bytes(), " bytes that it announced"));
    }
    for (const std::span<const std::byte> piece : data.pieces) DCAC_RETURN_IF_ERROR(TakePiece(piece));
    return absl::OkStatus();
  }

  absl::Status TakePiece(std::span<const std::byte> bytes) {
    const absl::Status status = output_.Take(bytes);
    local_error_ = !status.ok();
    DCAC_RETURN_IF_ERROR(status);
    received_ += bytes.size();
    taken_bytes_ += bytes.size();
    progress_ = std::max(progress_, taken_bytes_);
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
  TransferOutput& output_;
  const Expected expected_;
  std::optional<v1::GetStart> first_start_;
  std::optional<v1::GetStart> start_;  // of this call
  std::optional<v1::GetTrailer> trailer_;
  std::uint64_t received_ = 0;     // in this call
  std::uint64_t taken_bytes_ = 0;  // in all, that the output has
  std::uint64_t progress_ = 0;     // the most of these that there were
  wire::DigestAccumulator call_digest_;
  wire::DigestAccumulator digest_;
  bool local_error_ = false;
  bool complete_ = false;
};

// How often an object may be put anew while it is read.
constexpr int kMaxVersions = 5;

}  // namespace

absl::StatusOr<StoredObject> RunPut(RemoteCalls& calls, const CallContext& call, const v1::PutHeader& header,
                                    const FrameAccess& input, std::size_t chunk_bytes, const UploadObserver& observer) {
  Putter putter(header, input, chunk_bytes, observer);
  DCAC_RETURN_IF_ERROR(calls.Run(
      call, [&](Connection& connection) { return putter.Attempt(call, connection, calls.SizesOfChunks(chunk_bytes)); },
      [&] { return putter.can_go_on(); }, [&] { return putter.committed_bytes(); }));
  if (!putter.object()) return absl::InternalError("server: the call ended without an object");
  return FromProto(*putter.object());
}

absl::StatusOr<GotObject> RunGet(RemoteCalls& calls, const CallContext& call, const v1::GetRequest& request,
                                 TransferOutput& output, Expected expected) {
  for (int version = 1;; ++version) {
    Getter getter(request, output, expected);
    const absl::Status status = calls.Run(
        call, [&](Connection& connection) { return getter.Attempt(call, connection); }, [&] { return getter.GoOn(); },
        [&] { return getter.progress(); });
    if (status.ok()) return getter.Result();
    const bool was_replaced = absl::IsAborted(status) && request.if_version().empty() && getter.chose_version();
    if (!was_replaced || version == kMaxVersions || !output.Rewind()) return status;
  }
}

}  // namespace dcac::client::internal
