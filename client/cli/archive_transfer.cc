#include "client/cli/archive_transfer.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <span>
#include <utility>
#include <vector>

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "client/cli/options.h"
#include "core/base/hash.h"
#include "core/base/status_macros.h"
#include "core/files/frame_source.h"
#include "core/files/npy.h"
#include "core/files/printable.h"

namespace dcac::cli {
namespace {

// Compares what is written with what another source gives.
class ComparingSink final : public files::ByteSink {
 public:
  explicit ComparingSink(files::ByteSource& expected) : expected_(expected) {}

  absl::Status Write(std::span<const std::byte> data) override {
    buffer_.resize(data.size());
    DCAC_ASSIGN_OR_RETURN(const std::size_t n, files::ReadFully(expected_, buffer_));
    const auto [at, unused] =
        std::mismatch(buffer_.begin(), buffer_.begin() + static_cast<std::ptrdiff_t>(n), data.begin());
    position_ += static_cast<std::uint64_t>(at - buffer_.begin());
    if (static_cast<std::size_t>(at - buffer_.begin()) != data.size()) return Differs();
    return absl::OkStatus();
  }

  absl::Status Finish() {
    std::array<std::byte, 1> byte;
    DCAC_ASSIGN_OR_RETURN(const std::size_t n, expected_.Read(byte));
    return n == 0 ? absl::OkStatus() : Differs();
  }

 private:
  absl::Status Differs() const {
    return absl::DataLossError(
        absl::StrCat("archive and original differ at byte ", position_, ", expected equality; both are kept"));
  }

  files::ByteSource& expected_;
  std::vector<std::byte> buffer_;
  std::uint64_t position_ = 0;
};

// Computes the digest of what is read of another source.
class DigestSource final : public files::ByteSource {
 public:
  explicit DigestSource(files::ByteSource& source) : source_(source) {}

  absl::StatusOr<std::size_t> Read(std::span<std::byte> out) override {
    DCAC_ASSIGN_OR_RETURN(const std::size_t n, source_.Read(out));
    digest_.Update(out.first(n));
    return n;
  }

  Digest digest() const { return digest_.Get(); }

 private:
  files::ByteSource& source_;
  DigestStream digest_;
};

// Computes the digest of what is written to another sink.
class DigestSink final : public files::ByteSink {
 public:
  explicit DigestSink(files::ByteSink& sink) : sink_(sink) {}

  absl::Status Write(std::span<const std::byte> data) override {
    digest_.Update(data);
    return sink_.Write(data);
  }

  Digest digest() const { return digest_.Get(); }

 private:
  files::ByteSink& sink_;
  DigestStream digest_;
};

// Says in which of several frames an error is, and keeps what else is attached to it.
absl::Status InFrame(const absl::Status& status, const files::ArchiveHead& head, const files::Piece& piece) {
  if (status.ok() || head.pieces.size() <= 2) return status;
  const std::string name = piece.name.empty() ? "" : absl::StrCat(" ", files::Printable(piece.name));
  absl::Status named(status.code(), absl::StrCat(piece.kind == files::PieceKind::kTensor ? "tensor" : "bytes of", name,
                                                 ": ", std::string(status.message())));
  status.ForEachPayload([&named](absl::string_view url, const absl::Cord& payload) { named.SetPayload(url, payload); });
  return named;
}

TensorSpec SpecOf(const files::Piece& piece) {
  return {piece.dtype, piece.shape, Layout::kFlat};
}

// ---- Writing

// Reads an original file to its end and writes its archive.
class ArchiveWriter {
 public:
  ArchiveWriter(files::PushbackSource& input, const files::InputFormat& format, const EncodeOptions& options,
                FrameCoder& coder, files::ByteSink& sink)
      : input_(input), digested_(input), format_(format), options_(options), coder_(coder), sink_(sink) {}

  absl::Status Write(const files::OriginalFile& original) {
    const files::ArchiveHead& head = original.head;
    content_.kind = head.kind;
    content_.note = original.note;
    DCAC_RETURN_IF_ERROR(sink_.Write(files::SerializeArchiveHead(head)));
    std::span<const std::byte> inline_bytes = head.inline_bytes;
    for (std::size_t i = 0; i < head.pieces.size(); ++i) {
      const files::Piece& piece = head.pieces[i];
      if (piece.kind == files::PieceKind::kInline) {
        DCAC_RETURN_IF_ERROR(SkipKnown(inline_bytes.first(static_cast<std::size_t>(piece.bytes))));
        inline_bytes = inline_bytes.subspan(static_cast<std::size_t>(piece.bytes));
      } else if (piece.kind == files::PieceKind::kNpyHeader) {
        DCAC_RETURN_IF_ERROR(SkipKnown(files::CanonicalNpyHeader(SpecOf(head.pieces[i + 1]))));
      } else {
        DCAC_RETURN_IF_ERROR(InFrame(EncodePiece(head, piece), head, piece));
      }
    }
    if (head.form == files::ArchiveHead::Form::kOpen) DCAC_RETURN_IF_ERROR(EncodeOpen());
    DCAC_RETURN_IF_ERROR(CheckEnd());
    if (head.form == files::ArchiveHead::Form::kSingle) return absl::OkStatus();
    tail_.digest = digested_.digest();
    return sink_.Write(files::SerializeArchiveTail(tail_));
  }

  ArchiveContent& content() { return content_; }

 private:
  // Bytes that have been looked at before, and are in the head.
  absl::Status SkipKnown(std::span<const std::byte> known) {
    std::vector<std::byte> bytes(known.size());
    DCAC_ASSIGN_OR_RETURN(const std::size_t n, files::ReadFully(digested_, bytes));
    if (n == known.size() && std::equal(bytes.begin(), bytes.end(), known.begin())) return absl::OkStatus();
    return absl::AbortedError("changed while it was read, expected the same bytes again");
  }

  absl::Status EncodePiece(const files::ArchiveHead& head, const files::Piece& piece) {
    TensorSpec spec = files::OpaqueSpec(piece.bytes);
    if (piece.kind == files::PieceKind::kTensor) {
      DCAC_ASSIGN_OR_RETURN(spec, files::SpecOfNextPiece(head, piece, format_, input_));
    }
    files::LimitedSource samples(digested_, piece.bytes);
    return EncodeFrame(piece, spec, samples);
  }

  absl::Status EncodeFrame(const files::Piece& piece, const TensorSpec& spec, files::ByteSource& samples) {
    EncodeOptions options = options_;
    // Bytes of no known meaning have no planes: the longer a segment, the more can repeat in it.
    if (piece.kind == files::PieceKind::kOpaque) options.segment_bytes = EncodeOptions::kMaxSegmentBytes;
    files::CountingSink frame(sink_);
    DCAC_RETURN_IF_ERROR(coder_.Encode(spec, options, samples, frame));
    tail_.frame_bytes.push_back(frame.bytes());
    CountFrame(piece, spec, content_);
    return absl::OkStatus();
  }

  absl::Status EncodeOpen() {
    std::vector<std::byte> chunk(files::kOpenFrameBytes);
    while (true) {
      DCAC_ASSIGN_OR_RETURN(const std::size_t n, files::ReadFully(digested_, chunk));
      if (n == 0) return absl::OkStatus();
      if (tail_.frame_bytes.size() == files::kMaxPieces) {
        return absl::ResourceExhaustedError(
            absl::StrCat("has more than ", files::kMaxPieces, " parts of ", chunk.size(), " bytes, expected no more"));
      }
      files::MemorySource samples(std::span<const std::byte>(chunk).first(n));
      DCAC_RETURN_IF_ERROR(EncodeFrame({.kind = files::PieceKind::kOpaque}, files::OpaqueSpec(n), samples));
    }
  }

  absl::Status CheckEnd() {
    std::array<std::byte, 1> byte;
    DCAC_ASSIGN_OR_RETURN(const std::size_t n, digested_.Read(byte));
    if (n != 0) return absl::InvalidArgumentError("goes on after the samples, expected its end");
    return absl::OkStatus();
  }

  files::PushbackSource& input_;
  DigestSource digested_;  // of input_
  const files::InputFormat& format_;
  const EncodeOptions& options_;
  FrameCoder& coder_;
  files::ByteSink& sink_;
  files::ArchiveTail tail_;
  ArchiveContent content_;
};

// ---- Restoring

// Reads an archive to its end and writes the original file.
class ArchiveRestorer {
 public:
  ArchiveRestorer(files::PushbackSource& input, FrameCoder& coder, files::ByteSink& sink)
      : input_(input), coder_(coder), sink_(sink) {}

  absl::Status Restore() {
    DCAC_ASSIGN_OR_RETURN(files::ParsedArchiveHead parsed, files::ReadArchiveHead(input_));
    head_ = std::move(parsed.head);
    content_.kind = head_.kind;
    std::span<const std::byte> inline_bytes = head_.inline_bytes;
    bool npy_header = false;
    for (const files::Piece& piece : head_.pieces) {
      if (piece.kind == files::PieceKind::kInline) {
        DCAC_RETURN_IF_ERROR(sink_.Write(inline_bytes.first(static_cast<std::size_t>(piece.bytes))));
        inline_bytes = inline_bytes.subspan(static_cast<std::size_t>(piece.bytes));
      } else if (piece.has_frame()) {
        DCAC_RETURN_IF_ERROR(InFrame(DecodePiece(piece, npy_header), head_, piece));
      }
      npy_header = piece.kind == files::PieceKind::kNpyHeader;
    }
    if (head_.form == files::ArchiveHead::Form::kOpen) DCAC_RETURN_IF_ERROR(DecodeOpen());
    return head_.form == files::ArchiveHead::Form::kSingle ? CheckEnd() : CheckTail();
  }

  ArchiveContent& content() { return content_; }

 private:
  absl::Status DecodePiece(const files::Piece& piece, bool npy_header) {
    files::FrameSource frame(input_);
    const auto begin = [&](const TensorSpec& spec) -> absl::Status {
      DCAC_RETURN_IF_ERROR(CheckSpec(piece, spec));
      CountFrame(piece, spec, content_);
      return npy_header ? sink_.Write(files::CanonicalNpyHeader(spec)) : absl::OkStatus();
    };
    DCAC_RETURN_IF_ERROR(coder_.Decode(frame, begin, sink_));
    frame_bytes_.push_back(frame.frame_bytes());
    return absl::OkStatus();
  }

  // The frame must be what the table says of it.
  absl::Status CheckSpec(const files::Piece& piece, const TensorSpec& spec) const {
    const bool known = head_.form == files::ArchiveHead::Form::kTable;
    if (piece.kind == files::PieceKind::kOpaque) {
      if (spec.dtype == DType::kU8 && spec.shape.size() == 1 && (!known || spec.shape[0] == piece.bytes)) {
        return absl::OkStatus();
      }
    } else if (!known || (spec.dtype == piece.dtype && spec.shape == piece.shape)) {
      return absl::OkStatus();
    }
    return absl::DataLossError(absl::StrCat("the frame is ", std::string(DTypeName(spec.dtype)), " ",
                                            ShapeToString(spec.shape), ", the archive expects another one"));
  }

  absl::Status DecodeOpen() {
    while (true) {
      std::array<std::byte, files::kArchiveTailMagicBytes> magic;
      DCAC_ASSIGN_OR_RETURN(const std::size_t n, files::ReadFully(input_, magic));
      input_.Unread(std::span(magic).first(n));
      if (files::HasArchiveTailMagic(std::span(magic).first(n))) return absl::OkStatus();
      if (frame_bytes_.size() == files::kMaxPieces) {
        return absl::DataLossError(
            absl::StrCat("the archive has more than ", files::kMaxPieces, " frames, expected no more"));
      }
      DCAC_RETURN_IF_ERROR(DecodePiece({.kind = files::PieceKind::kOpaque}, /*npy_header=*/false));
    }
  }

  absl::Status CheckEnd() {
    std::array<std::byte, 1> byte;
    DCAC_ASSIGN_OR_RETURN(const std::size_t n, input_.Read(byte));
    return n == 0 ? absl::OkStatus() : absl::DataLossError("the archive goes on after its frame");
  }

  absl::Status CheckTail() {
    const files::ArchiveTail expected{frame_bytes_, sink_.digest()};
    std::vector<std::byte> content(files::SerializeArchiveTail(expected).size() + 1);  // one more would be too much
    DCAC_ASSIGN_OR_RETURN(const std::size_t n, files::ReadFully(input_, content));
    content.resize(n);
    DCAC_ASSIGN_OR_RETURN(const files::ArchiveTail tail, files::ParseArchiveTail(content));
    if (tail.frame_bytes != expected.frame_bytes) {
      return absl::DataLossError("the tail of the archive does not match its frames");
    }
    if (tail.digest != expected.digest) return absl::DataLossError("the digest of the original file does not match");
    return absl::OkStatus();
  }

  files::PushbackSource& input_;
  FrameCoder& coder_;
  DigestSink sink_;
  files::ArchiveHead head_;
  std::vector<std::uint64_t> frame_bytes_;
  ArchiveContent content_;
};

}  // namespace

absl::StatusOr<files::FileSource> OpenInput(const std::string& path) {
  if (path == kStandardStream) return files::FileSource::Stdin();
  return files::FileSource::Open(path);
}

void CountFrame(const files::Piece& piece, const TensorSpec& spec, ArchiveContent& content) {
  content.raw_bytes += TensorBytes(spec).value_or(0);
  if (piece.kind != files::PieceKind::kTensor) return;
  ++content.tensors;
  content.only_tensor = content.tensors == 1 ? std::optional(spec) : std::nullopt;
}

void AppendContent(const ArchiveContent& content, Json& json) {
  json["kind"] = files::ArchiveKindName(content.kind);
  json["tensors"] = content.tensors;
  if (content.only_tensor) {
    json["dtype"] = DTypeName(content.only_tensor->dtype);
    json["layout"] = LayoutName(content.only_tensor->layout);
    json["shape"] = content.only_tensor->shape;
  }
  if (!content.note.empty()) json["note"] = content.note;
}

std::string ContentText(const ArchiveContent& content) {
  std::string text(files::ArchiveKindName(content.kind));
  if (content.only_tensor) {
    const TensorSpec& spec = *content.only_tensor;
    absl::StrAppend(&text, ", ", std::string(DTypeName(spec.dtype)), " ", ShapeToString(spec.shape), " ",
                    std::string(LayoutName(spec.layout)));
  } else if (content.tensors > 0) {
    absl::StrAppend(&text, ", ", content.tensors, " tensors");
  }
  if (!content.note.empty()) absl::StrAppend(&text, " (", content.note, ")");
  return text;
}

absl::StatusOr<ArchiveContent> WriteArchive(const files::FileSource& file, files::ByteSource& source,
                                            const files::InputFormat& format, const EncodeOptions& options,
                                            FrameCoder& coder, files::ByteSink& sink) {
  files::PushbackSource input(source);
  DCAC_ASSIGN_OR_RETURN(const files::OriginalFile original, files::ReadOriginal(file, input, format));
  ArchiveWriter writer(input, format, options, coder, sink);
  const absl::Status written = writer.Write(original);
  // A file that changed explains every other error: samples that are missing, for example.
  DCAC_RETURN_IF_ERROR(file.CheckUnchanged());
  DCAC_RETURN_IF_ERROR(written);
  return std::move(writer.content());
}

absl::StatusOr<ArchiveContent> RestoreArchive(files::ByteSource& source, FrameCoder& coder, files::ByteSink& sink) {
  files::PushbackSource input(source);
  ArchiveRestorer restorer(input, coder, sink);
  DCAC_RETURN_IF_ERROR(restorer.Restore());
  return std::move(restorer.content());
}

absl::Status CompareWithArchive(const std::string& archive_path, const std::string& original_path, FrameCoder& coder) {
  DCAC_ASSIGN_OR_RETURN(files::FileSource archive, files::FileSource::Open(archive_path));
  DCAC_ASSIGN_OR_RETURN(files::FileSource original, files::FileSource::Open(original_path));
  ComparingSink compare(original);
  DCAC_RETURN_IF_ERROR(RestoreArchive(archive, coder, compare).status());
  return compare.Finish();
}

absl::Status RemoveCompared(const std::string& victim, const std::string& archive_path,
                            const std::string& original_path, FrameCoder& coder) {
  DCAC_RETURN_IF_ERROR(CompareWithArchive(archive_path, original_path, coder));
  if (::unlink(victim.c_str()) != 0) return absl::ErrnoToStatus(errno, "cannot remove");
  return absl::OkStatus();
}

}  // namespace dcac::cli
