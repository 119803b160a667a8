// Head and tail of a `.dcac` archive: what is needed, beside the frames between them, to restore the original file byte
// for byte, and to find each frame.  docs/format-archive.md describes them.
#ifndef DCAC_CORE_FILES_ARCHIVE_H_
#define DCAC_CORE_FILES_ARCHIVE_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/files/byte_stream.h"
#include "dcac/frame_info.h"
#include "dcac/tensor.h"

namespace dcac::files {

// What the original file was.  The numbers are written into archives and are frozen.
enum class ArchiveKind : std::uint8_t {
  kRaw = 1,  // samples without a header
  kNpy = 2,
  kNpz = 3,
  kSafetensors = 4,
  kTorch = 5,  // a zip file of torch.save
  kBytes = 6,  // anything else
};

std::string_view ArchiveKindName(ArchiveKind kind);  // "raw", "npy", "npz", "safetensors", "torch", "bytes"

// What a part of the original file is restored from.  The numbers are written into archives and are frozen.
enum class PieceKind : std::uint8_t {
  kInline = 0,     // bytes of the head
  kTensor = 1,     // a frame
  kOpaque = 2,     // a frame of u8 of one axis: bytes of no known meaning
  kNpyHeader = 3,  // CanonicalNpyHeader of the tensor that follows directly
};

struct Piece {
  PieceKind kind = PieceKind::kInline;
  std::uint64_t bytes = 0;           // of the original file; kInline and kOpaque: at least 1; kNpyHeader: 0
  std::string name;                  // kTensor and kOpaque, at most kMaxNameBytes; may be empty
  DType dtype = DType::kU8;          // kTensor
  std::vector<std::uint64_t> shape;  // kTensor

  bool has_frame() const { return kind == PieceKind::kTensor || kind == PieceKind::kOpaque; }
  std::uint64_t inline_bytes() const { return kind == PieceKind::kInline ? bytes : 0; }

  friend bool operator==(const Piece&, const Piece&) = default;
};

inline constexpr std::size_t kMaxPieces = 1'000'000;
inline constexpr std::size_t kMaxNameBytes = 4096;
inline constexpr std::size_t kMaxTableBytes = std::size_t{32} << 20;  // the table of pieces with all inline bytes

struct ArchiveHead {
  // Which archives have no table of pieces.
  enum class Form : std::uint8_t {
    kTable = 0,
    kSingle = 1,  // SinglePieces(kind); type, shape and size stand in the frame alone, and there is no tail
    kOpen = 2,    // kBytes only: opaque frames, as many as there are, up to the tail
  };

  ArchiveKind kind = ArchiveKind::kRaw;
  Form form = Form::kTable;
  std::vector<Piece> pieces;            // of the original file, in order; none if kOpen
  std::vector<std::byte> inline_bytes;  // of all inline pieces, in order

  std::size_t num_frames() const;  // of `pieces`

  friend bool operator==(const ArchiveHead&, const ArchiveHead&) = default;
};

// The pieces of an archive of form kSingle: an unnamed frame, for .npy files with the canonical header before it.
// Nothing for kinds that cannot have this form.
std::vector<Piece> SinglePieces(ArchiveKind kind);

// Whether `head`, of form kTable, says no more than form kSingle would.
bool FitsSingle(const ArchiveHead& head);

inline constexpr std::size_t kArchiveMagicBytes = 4;

// Whether `start`, the first kArchiveMagicBytes or more of a file, says that it is an archive.
bool HasArchiveMagic(std::span<const std::byte> start);

std::vector<std::byte> SerializeArchiveHead(const ArchiveHead& head);

struct ParsedArchiveHead {
  ArchiveHead head{};
  std::size_t head_bytes = 0;  // the first frame, or the tail, begins here
};

// Reads the head at the start of `data`; nothing when `data` ends before the head does.  Allocates no more than the
// limits above allow.  Errors: DataLoss (no archive, checksum, a value out of range), Unimplemented (a later version or
// kind).
absl::StatusOr<std::optional<ParsedArchiveHead>> ParseArchiveHead(std::span<const std::byte> data);

// The error of an archive that ends with `data`, in which ParseArchiveHead found no end of the head: DataLoss, or
// Unimplemented, since a later version's head may be shorter.
absl::Status ArchiveHeadCutShort(std::span<const std::byte> data);

// Reads the head of an archive and leaves `source` behind it.
// Errors: as ParseArchiveHead; DataLoss (the archive ends within its head); those of `source`.
absl::StatusOr<ParsedArchiveHead> ReadArchiveHead(PushbackSource& source);

// What follows the last frame of an archive of form kTable or kOpen.
struct ArchiveTail {
  std::vector<std::uint64_t> frame_bytes;  // of each frame
  Digest digest{};                         // XXH3-128 of the original file

  friend bool operator==(const ArchiveTail&, const ArchiveTail&) = default;
};

inline constexpr std::size_t kArchiveTailMagicBytes = 4;
inline constexpr std::size_t kArchiveTailEndBytes = 8;  // enough for ArchiveTailBytes

// Whether `data` begins as a tail does.
bool HasArchiveTailMagic(std::span<const std::byte> data);

std::vector<std::byte> SerializeArchiveTail(const ArchiveTail& tail);

// How long the tail is that ends in `end`, the last kArchiveTailEndBytes of an archive.  Errors: DataLoss (no length of
// a tail of at most kMaxPieces frames).
absl::StatusOr<std::size_t> ArchiveTailBytes(std::span<const std::byte> end);

// Errors: DataLoss (malformed, or `data` is not all of the tail).
absl::StatusOr<ArchiveTail> ParseArchiveTail(std::span<const std::byte> data);

}  // namespace dcac::files

#endif  // DCAC_CORE_FILES_ARCHIVE_H_
