#include "client/internal/transfer.h"

#include <optional>
#include <span>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "client/internal/chunk_exchange.h"
#include "client/internal/exchange.h"
#include "core/base/status_macros.h"
#include "proto/wire/convert.h"
#include "proto/wire/digest_accumulator.h"

namespace dcac::client::internal {
namespace {

absl::Status CountMismatch(absl::string_view what, std::uint64_t trailer, std::uint64_t counted) {
  return absl::DataLossError(absl::StrCat(what, ": ", trailer, " in the trailer, but ", counted, " were transferred"));
}

// What the two directions have in common.
template <typename Request, typename Response>
class Transfer {
 public:
  Transfer(Stream<Request, Response>& stream, ChunkSizes chunk_bytes, const ChunkSource& source, const ChunkSink& sink)
      : sender_(source, chunk_bytes), receiver_(sink), stream_(stream) {}
  virtual ~Transfer() = default;

  absl::StatusOr<TransferStats> Run(const Request& header) {
    const bool begun = stream_.WriteMore(header);
    DCAC_RETURN_IF_ERROR(RunExchange(
        stream_, [&] { return begun && sender_.has_credit(); }, [this] { return SendNext(); },
        [this](const Response& response, const wire::SharedPieces& data) { return Receive(response, data); }));
    if (!trailer_) return absl::InternalError("server: the call ended without a trailer");
    DCAC_RETURN_IF_ERROR(CheckComplete());
    return CheckTrailer(*trailer_);
  }

 protected:
  virtual void OnSend(std::span<const std::byte> bytes) = 0;
  virtual std::optional<Request> EndOfInput() = 0;
  virtual absl::Status OnResponse(const Response& response, const wire::SharedPieces& data) = 0;
  virtual absl::Status CheckComplete() const = 0;
  virtual TransferStats Transferred() const = 0;

  ChunkSender sender_;
  ChunkReceiver receiver_;

 private:
  // False: there is nothing more to write.
  absl::StatusOr<bool> SendNext() {
    Request request;
    DCAC_ASSIGN_OR_RETURN(wire::SharedBytes data, sender_.Next(request.mutable_chunk()));
    if (!data.bytes.empty()) {
      OnSend(data.bytes);
      return stream_.WriteChunk(request, std::move(data), sender_.has_credit());
    }
    const std::optional<Request> end = EndOfInput();
    if (end) {
      stream_.WriteLast(*end);
    } else {
      stream_.WritesDone();
    }
    return false;
  }

  absl::Status Receive(const Response& response, const wire::SharedPieces& data) {
    if (trailer_) return absl::InternalError("server: a response after the trailer");
    DCAC_RETURN_IF_ERROR(sender_.OnConsumed(response.consumed_bytes()));
    if (response.has_trailer()) {
      trailer_ = response.trailer();
      return absl::OkStatus();
    }
    return OnResponse(response, data);
  }

  absl::StatusOr<TransferStats> CheckTrailer(const v1::TransferTrailer& trailer) const {
    const TransferStats stats = Transferred();
    if (trailer.raw_bytes() != stats.raw_bytes) {
      return CountMismatch("bytes of the tensor", trailer.raw_bytes(), stats.raw_bytes);
    }
    if (trailer.stored_bytes() != stats.frame_bytes) {
      return CountMismatch("bytes of the frame", trailer.stored_bytes(), stats.frame_bytes);
    }
    if (trailer.digest() != wire::ToProto(stats.digest)) {
      return absl::DataLossError("digest of the tensor differs from the trailer's");
    }
    return stats;
  }

  Stream<Request, Response>& stream_;
  std::optional<v1::TransferTrailer> trailer_;
};

class CompressTransfer final : public Transfer<v1::CompressRequest, v1::CompressResponse> {
 public:
  using Transfer::Transfer;

 private:
  void OnSend(std::span<const std::byte> bytes) override { digest_.Update(bytes); }

  std::optional<v1::CompressRequest> EndOfInput() override {
    v1::CompressRequest request;
    request.mutable_trailer()->set_digest(wire::ToProto(digest_.Get()));
    request.mutable_trailer()->set_raw_bytes(sender_.sent_bytes());
    return request;
  }

  absl::Status OnResponse(const v1::CompressResponse& response, const wire::SharedPieces& data) override {
    return response.has_chunk() ? receiver_.Take(response.chunk(), data) : absl::OkStatus();
  }

  absl::Status CheckComplete() const override { return absl::OkStatus(); }

  TransferStats Transferred() const override {
    return {sender_.sent_bytes(), receiver_.received_bytes(), digest_.Get(), {}};
  }

  wire::DigestAccumulator digest_;
};

class DecompressTransfer final : public Transfer<v1::DecompressRequest, v1::DecompressResponse> {
 public:
  DecompressTransfer(DecompressCall& call, std::uint64_t max_tensor_bytes, ChunkSizes chunk_bytes,
                     const ChunkSource& source, const SpecSink& spec_sink, const ChunkSink& sink)
      : Transfer(call, chunk_bytes, source, sink), max_tensor_bytes_(max_tensor_bytes), spec_sink_(spec_sink) {}

 private:
  void OnSend(std::span<const std::byte>) override {}
  std::optional<v1::DecompressRequest> EndOfInput() override { return std::nullopt; }

  absl::Status OnResponse(const v1::DecompressResponse& response, const wire::SharedPieces& data) override {
    if (response.has_spec()) return TakeSpec(response.spec());
    if (!response.has_chunk()) return absl::OkStatus();
    if (data.size() > tensor_bytes_ - receiver_.received_bytes()) {
      return absl::DataLossError(absl::StrCat("the server sent more than the ", tensor_bytes_, " bytes of the tensor"));
    }
    for (const std::span<const std::byte> piece : data.pieces) digest_.Update(piece);
    return receiver_.Take(response.chunk(), data);
  }

  absl::Status TakeSpec(const v1::TensorSpec& message) {
    if (has_spec_) return absl::InternalError("server: a second spec");
    const absl::StatusOr<TensorSpec> spec = wire::FromProto(message);
    if (!spec.ok()) return absl::InternalError(absl::StrCat("server: ", spec.status().message()));
    const absl::StatusOr<std::uint64_t> bytes = TensorBytes(*spec);
    if (!bytes.ok()) return absl::InternalError(absl::StrCat("server: ", bytes.status().message()));
    if (*bytes > max_tensor_bytes_) {
      return absl::ResourceExhaustedError(
          absl::StrCat("tensor of ", *bytes, " bytes exceeds max_tensor_bytes ", max_tensor_bytes_));
    }
    has_spec_ = true;
    spec_ = *spec;
    tensor_bytes_ = *bytes;
    return spec_sink_(spec_);
  }

  absl::Status CheckComplete() const override {
    if (!has_spec_) return absl::InternalError("server: no spec");
    if (receiver_.received_bytes() == tensor_bytes_) return absl::OkStatus();
    return absl::DataLossError(absl::StrCat("the server sent ", receiver_.received_bytes(), " of the ", tensor_bytes_,
                                            " bytes of the tensor"));
  }

  TransferStats Transferred() const override {
    return {receiver_.received_bytes(), sender_.sent_bytes(), digest_.Get(), spec_};
  }

  const std::uint64_t max_tensor_bytes_;
  const SpecSink& spec_sink_;
  bool has_spec_ = false;
  TensorSpec spec_;
  std::uint64_t tensor_bytes_ = 0;  // 0 before the spec: no chunk may come then
  wire::DigestAccumulator digest_;
};

}  // namespace

absl::StatusOr<TransferStats> RunCompress(CompressCall& call, const TensorSpec& spec, const EncodeOptions& options,
                                          ChunkSizes chunk_bytes, const ChunkSource& source, const ChunkSink& sink) {
  v1::CompressRequest header;
  wire::ToProto(spec, header.mutable_header()->mutable_spec());
  wire::ToProto(options, header.mutable_header()->mutable_options());
  header.mutable_header()->set_chunks_per_answer(kChunksPerAnswer);
  absl::StatusOr<TransferStats> stats = CompressTransfer(call, chunk_bytes, source, sink).Run(header);
  if (stats.ok()) stats->spec = spec;
  return stats;
}

absl::StatusOr<TransferStats> RunDecompress(DecompressCall& call, const v1::DecompressHeader& header,
                                            ChunkSizes chunk_bytes, const ChunkSource& source,
                                            const SpecSink& spec_sink, const ChunkSink& sink) {
  v1::DecompressRequest request;
  *request.mutable_header() = header;
  request.mutable_header()->set_chunks_per_answer(kChunksPerAnswer);
  return DecompressTransfer(call, header.max_tensor_bytes(), chunk_bytes, source, spec_sink, sink).Run(request);
}

}  // namespace dcac::client::internal
