#include "client/cli/explain/file_explainer.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/cli/archive_transfer.h"
#include "client/cli/output.h"
#include "core/base/status_macros.h"
#include "core/files/archive_file.h"
#include "core/files/byte_stream.h"
#include "core/files/npy.h"
#include "core/files/printable.h"
#include "dcac/frame_encoder.h"

namespace dcac::cli {
namespace {

// Calls `take` with all bytes of `source`, piece by piece.
absl::Status ForEachChunk(files::ByteSource& source,
                          const std::function<absl::Status(std::span<const std::byte>)>& take) {
  std::vector<std::byte> chunk(files::kChunkBytes);
  while (true) {
    DCAC_ASSIGN_OR_RETURN(const std::size_t n, source.Read(chunk));
    if (n == 0) return absl::OkStatus();
    DCAC_RETURN_IF_ERROR(take(std::span(chunk).first(n)));
  }
}

absl::StatusOr<FrameExplanation> ExplainFrameOf(files::ByteSource& frame, const ExplainOptions& options) {
  FrameExplainer explainer(options);
  const auto push = [&](std::span<const std::byte> data) { return explainer.Push(data); };
  DCAC_RETURN_IF_ERROR(ForEachChunk(frame, push));
  return explainer.Finish();
}

// Encodes and explains what was encoded, slab by slab.
absl::StatusOr<FrameExplanation> ExplainSamples(files::ByteSource& samples, const TensorSpec& spec,
                                                const EncodeOptions& encode, ExplainOptions options) {
  DCAC_ASSIGN_OR_RETURN(FrameEncoder encoder, FrameEncoder::Create(spec, encode));
  options.level = encode.level;
  FrameExplainer explainer(options);
  const auto push = [&](std::span<const std::byte> data) -> absl::Status {
    DCAC_RETURN_IF_ERROR(encoder.Push(data));
    return explainer.Push(encoder.Pull());
  };
  DCAC_RETURN_IF_ERROR(ForEachChunk(samples, push));
  DCAC_RETURN_IF_ERROR(encoder.Finish());
  DCAC_RETURN_IF_ERROR(explainer.Push(encoder.Pull()));
  return explainer.Finish();
}

ExplainedTensor Explained(const files::Piece& piece, FrameExplanation explanation) {
  return {.file = {},
          .name = piece.name,
          .opaque = piece.kind == files::PieceKind::kOpaque,
          .explanation = std::move(explanation)};
}

absl::Status InPiece(const files::Piece& piece, const absl::Status& status) {
  if (piece.name.empty()) return status;
  return {status.code(), absl::StrCat(files::Printable(piece.name), ": ", std::string(status.message()))};
}

absl::StatusOr<ExplainedFile> ExplainArchive(const files::RandomSource& file, const ExplainRequest& request,
                                             ProgressBar& progress, const TensorSink& sink) {
  DCAC_ASSIGN_OR_RETURN(const files::ArchiveFile archive, files::ArchiveFile::Open(file));
  for (const files::ArchiveFile::Frame& frame : archive.frames()) {
    const files::Piece& piece = archive.head().pieces[frame.piece];
    files::RangeSource range = archive.Source(frame);
    ProgressSource source(range, progress);
    absl::StatusOr<FrameExplanation> explanation = ExplainFrameOf(source, request.explain);
    if (!explanation.ok()) return InPiece(piece, explanation.status());
    sink(Explained(piece, *std::move(explanation)));
  }
  return ExplainedFile{std::string(files::ArchiveKindName(archive.head().kind)), ""};
}

// The tensors of an original file, one after the other.
class OriginalExplainer {
 public:
  OriginalExplainer(files::PushbackSource& input, const ExplainRequest& request, const TensorSink& sink)
      : input_(input), request_(request), sink_(sink) {}

  absl::Status Explain(const files::ArchiveHead& head) {
    for (std::size_t i = 0; i < head.pieces.size(); ++i) {
      const files::Piece& piece = head.pieces[i];
      if (piece.kind == files::PieceKind::kInline) {
        DCAC_RETURN_IF_ERROR(Skip(piece.bytes));
      } else if (piece.kind == files::PieceKind::kNpyHeader) {
        const files::Piece& tensor = head.pieces[i + 1];
        DCAC_RETURN_IF_ERROR(Skip(files::CanonicalNpyHeader({tensor.dtype, tensor.shape, Layout::kFlat}).size()));
      } else {
        DCAC_RETURN_IF_ERROR(InPiece(piece, ExplainPiece(head, piece)));
      }
    }
    return absl::OkStatus();
  }

 private:
  absl::Status Skip(std::uint64_t bytes) {
    files::LimitedSource skipped(input_, bytes);
    return ForEachChunk(skipped, [](std::span<const std::byte>) { return absl::OkStatus(); });
  }

  absl::Status ExplainPiece(const files::ArchiveHead& head, const files::Piece& piece) {
    TensorSpec spec = files::OpaqueSpec(piece.bytes);
    EncodeOptions encode = request_.encode;
    if (piece.kind == files::PieceKind::kTensor) {
      DCAC_ASSIGN_OR_RETURN(spec, files::SpecOfNextPiece(head, piece, request_.format, input_));
    } else {
      encode.segment_bytes = EncodeOptions::kMaxSegmentBytes;  // as compress does
    }
    files::LimitedSource samples(input_, piece.bytes);
    DCAC_ASSIGN_OR_RETURN(FrameExplanation explanation, ExplainSamples(samples, spec, encode, request_.explain));
    sink_(Explained(piece, std::move(explanation)));
    return absl::OkStatus();
  }

  files::PushbackSource& input_;
  const ExplainRequest& request_;
  const TensorSink& sink_;
};

}  // namespace

absl::StatusOr<ExplainedFile> ExplainFile(const std::string& path, const ExplainRequest& request, ProgressBar& progress,
                                          const TensorSink& sink) {
  DCAC_ASSIGN_OR_RETURN(files::FileSource file, OpenInput(path));
  ProgressSource source(file, progress);
  files::PushbackSource input(source);
  std::array<std::byte, files::kArchiveMagicBytes> start;
  DCAC_ASSIGN_OR_RETURN(const std::size_t n, files::ReadFully(input, start));
  input.Unread(std::span(start).first(n));
  if (files::HasArchiveMagic(std::span(start).first(n))) {
    if (file.size()) return ExplainArchive(files::RandomFile(file), request, progress, sink);
    DCAC_ASSIGN_OR_RETURN(const std::vector<std::byte> archive, files::ReadAll(input));
    return ExplainArchive(files::RandomMemory(archive), request, progress, sink);
  }
  DCAC_ASSIGN_OR_RETURN(const files::OriginalFile original, files::ReadOriginal(file, input, request.format));
  if (original.head.form == files::ArchiveHead::Form::kOpen)
    return absl::InvalidArgumentError("bytes of unknown number from a pipe, expected a file, an archive or tensors");
  DCAC_RETURN_IF_ERROR(OriginalExplainer(input, request, sink).Explain(original.head));
  DCAC_RETURN_IF_ERROR(file.CheckUnchanged());
  return ExplainedFile{std::string(files::ArchiveKindName(original.head.kind)), original.note};
}

}  // namespace dcac::cli
