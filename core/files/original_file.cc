#include "core/files/original_file.h"

#include <algorithm>
#include <cstddef>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/bytes.h"
#include "core/base/status_macros.h"
#include "core/files/npy.h"
#include "core/files/pickle.h"
#include "core/files/piece_builder.h"
#include "core/files/printable.h"
#include "core/files/safetensors.h"
#include "core/files/torch_file.h"
#include "core/files/zip.h"
#include "dcac/layout_guess.h"

namespace dcac::files {
namespace {

constexpr std::size_t kStartBytes = 16;  // enough to tell the formats apart
constexpr std::string_view kPickleMember = "data.pkl";

static_assert(kStartBytes >= kNpyPreambleBytes && kStartBytes >= kSafetensorsPreambleBytes);

// What is wrong with the interpretation of a file leaves the file as it is: bytes.  All else is an error.
bool IsOfContent(const absl::Status& status) {
  return status.code() == absl::StatusCode::kInvalidArgument;
}

std::uint64_t BytesOf(const TensorSpec& spec) {
  return TensorBytes({spec.dtype, spec.shape, Layout::kFlat}).value_or(0);
}

absl::StatusOr<OriginalFile> AsBytes(std::uint64_t file_bytes, std::string note) {
  PieceBuilder builder(nullptr);
  OriginalFile original;
  DCAC_RETURN_IF_ERROR(builder.AddOpaque(0, "", file_bytes));
  DCAC_ASSIGN_OR_RETURN(original.head, builder.Finish(ArchiveKind::kBytes, file_bytes));
  original.note = std::move(note);
  return original;
}

// ---- .npy

// The header of a .npy file at `offset` of `file`.
absl::StatusOr<Bytes> ReadNpyHeader(const RandomSource& file, std::uint64_t offset, std::uint64_t end) {
  if (end - offset < kNpyPreambleBytes) return absl::InvalidArgumentError("ends within a .npy header");
  Bytes header(kNpyPreambleBytes);
  DCAC_RETURN_IF_ERROR(file.ReadAt(offset, header));
  DCAC_ASSIGN_OR_RETURN(const std::size_t header_bytes, NpyHeaderBytes(header));
  if (header_bytes < kNpyPreambleBytes || header_bytes > end - offset) {
    return absl::InvalidArgumentError(
        absl::StrCat("holds ", end - offset, " bytes, its .npy header is to have ", header_bytes));
  }
  header.resize(header_bytes);
  DCAC_RETURN_IF_ERROR(file.ReadAt(offset, header));
  return header;
}

// The same of a pipe.
absl::StatusOr<Bytes> ReadNpyHeader(PushbackSource& source) {
  Bytes header(kNpyPreambleBytes);
  DCAC_ASSIGN_OR_RETURN(std::size_t n, ReadFully(source, header));
  const absl::StatusOr<std::size_t> header_bytes = NpyHeaderBytes(ByteSpan(header).first(n));
  if (header_bytes.ok() && *header_bytes > n) {
    header.resize(*header_bytes);
    DCAC_ASSIGN_OR_RETURN(const std::size_t rest, ReadFully(source, std::span(header).subspan(n)));
    n += rest;
  }
  header.resize(n);
  source.Unread(header);
  return header;
}

absl::Status CheckNpySize(const TensorSpec& spec, std::uint64_t header_bytes, std::uint64_t file_bytes) {
  const std::uint64_t expected = header_bytes + BytesOf(spec);
  if (file_bytes >= expected) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("holds ", file_bytes, " bytes, expected ", expected, " for shape ",
                                                 ShapeToString(spec.shape), " of ",
                                                 std::string(DTypeName(spec.dtype))));
}

absl::StatusOr<OriginalFile> ReadNpy(const RandomSource& file) {
  const absl::StatusOr<Bytes> header = ReadNpyHeader(file, 0, file.size());
  if (!header.ok()) return header.status();
  DCAC_ASSIGN_OR_RETURN(const TensorSpec spec, ParseNpyHeader(*header));
  DCAC_RETURN_IF_ERROR(CheckNpySize(spec, header->size(), file.size()));
  PieceBuilder builder(&file);
  DCAC_RETURN_IF_ERROR(builder.AddNpy(0, "", *header, spec));
  OriginalFile original;
  DCAC_ASSIGN_OR_RETURN(original.head, builder.Finish(ArchiveKind::kNpy, file.size()));
  return original;
}

// ---- Zip files

// A .npy file in a zip file; the member as it is where it is no usual one.
absl::Status AddNpyMember(const RandomSource& file, const ZipMember& member, PieceBuilder& builder) {
  const std::uint64_t end = member.data_offset + member.data_bytes;
  const absl::StatusOr<Bytes> header = ReadNpyHeader(file, member.data_offset, end);
  if (!header.ok() && !IsOfContent(header.status())) return header.status();
  const absl::StatusOr<TensorSpec> spec = header.ok() ? ParseNpyHeader(*header) : header.status();
  if (!spec.ok() || header->size() + BytesOf(*spec) != member.data_bytes) {
    return builder.AddOpaque(member.data_offset, member.name, member.data_bytes);
  }
  return builder.AddNpy(member.data_offset, member.name, *header, *spec);
}

absl::StatusOr<OriginalFile> ReadNpz(const RandomSource& file, const std::vector<ZipMember>& members) {
  PieceBuilder builder(&file);
  for (const ZipMember& member : members) {
    if (member.name.size() > kMaxNameBytes) return absl::InvalidArgumentError("a member has too long a name");
    if (member.stored && member.name.ends_with(".npy")) {
      DCAC_RETURN_IF_ERROR(AddNpyMember(file, member, builder));
    } else if (!member.stored) {
      DCAC_RETURN_IF_ERROR(builder.AddOpaque(member.data_offset, member.name, member.data_bytes));
    }
  }
  OriginalFile original;
  DCAC_ASSIGN_OR_RETURN(original.head, builder.Finish(ArchiveKind::kNpz, file.size()));
  return original;
}

absl::StatusOr<Bytes> ReadMember(const RandomSource& file, const ZipMember& member, std::size_t most) {
  if (!member.stored || member.data_bytes > most) {
    return absl::InvalidArgumentError(absl::StrCat(Printable(member.name), " has ", member.data_bytes,
                                                   " bytes, expected at most ", most, ", not compressed"));
  }
  Bytes content(static_cast<std::size_t>(member.data_bytes));
  DCAC_RETURN_IF_ERROR(file.ReadAt(member.data_offset, content));
  return content;
}

// The record of the byte order; old files have none, and are little-endian.
absl::Status CheckByteOrder(const RandomSource& file, const std::vector<ZipMember>& members,
                            const std::string& folder) {
  constexpr std::size_t kMostBytes = 16;
  for (const ZipMember& member : members) {
    if (member.name != folder + "byteorder") continue;
    DCAC_ASSIGN_OR_RETURN(const Bytes order, ReadMember(file, member, kMostBytes));
    const std::string_view text(reinterpret_cast<const char*>(order.data()), order.size());
    if (text != "little") {
      return absl::InvalidArgumentError(absl::StrCat("byte order is ", Printable(text), ", expected little"));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<OriginalFile> ReadTorch(const RandomSource& file, const std::vector<ZipMember>& members,
                                       const ZipMember& pickle_member) {
  const std::string folder = pickle_member.name.substr(0, pickle_member.name.size() - kPickleMember.size());
  DCAC_RETURN_IF_ERROR(CheckByteOrder(file, members, folder));
  DCAC_ASSIGN_OR_RETURN(const Bytes pickle, ReadMember(file, pickle_member, kMaxPickleBytes));
  DCAC_ASSIGN_OR_RETURN(const auto storages, ReadTorchStorages(pickle));
  PieceBuilder builder(&file);
  OriginalFile original;
  const std::string data_folder = folder + "data/";
  for (const ZipMember& member : members) {
    if (!member.name.starts_with(data_folder)) continue;
    const auto storage = storages.find(std::string_view(member.name).substr(data_folder.size()));
    if (storage == storages.end()) continue;
    const TensorSpec spec{storage->second.dtype, storage->second.shape, Layout::kFlat};
    if (member.stored && BytesOf(spec) == member.data_bytes) {
      DCAC_RETURN_IF_ERROR(builder.AddTensor(member.data_offset, storage->second.name, spec));
    } else {
      original.note = absl::StrCat(Printable(member.name), " is not what the pickle says of it");
    }
  }
  DCAC_ASSIGN_OR_RETURN(original.head, builder.Finish(ArchiveKind::kTorch, file.size()));
  return original;
}

absl::StatusOr<OriginalFile> ReadZip(const RandomSource& file) {
  DCAC_ASSIGN_OR_RETURN(const std::vector<ZipMember> members, ReadZipMembers(file));
  const auto is_pickle = [](const ZipMember& member) {
    return member.name.ends_with(std::string("/") + std::string(kPickleMember));
  };
  const auto pickle = std::find_if(members.begin(), members.end(), is_pickle);
  if (pickle != members.end()) return ReadTorch(file, members, *pickle);
  const auto is_npy = [](const ZipMember& member) { return member.name.ends_with(".npy"); };
  if (std::any_of(members.begin(), members.end(), is_npy)) return ReadNpz(file, members);
  return AsBytes(file.size(), "");
}

// ---- .safetensors

// `file` is null for a pipe, whose end is where the last tensor ends.
absl::StatusOr<OriginalFile> ReadSafetensors(const RandomSource* file, ByteSpan header) {
  DCAC_ASSIGN_OR_RETURN(const std::vector<SafetensorsEntry> entries, ParseSafetensorsHeader(header));
  const std::uint64_t data_end = entries.empty() ? 0 : entries.back().end;
  const std::uint64_t most = file != nullptr ? file->size() - header.size() : std::uint64_t{1} << 62;
  if (data_end > most) {
    return absl::InvalidArgumentError(
        absl::StrCat("holds ", most, " bytes of tensors, its header describes ", data_end));
  }
  PieceBuilder builder(file);
  DCAC_RETURN_IF_ERROR(builder.AddBytes(header));
  for (const SafetensorsEntry& entry : entries) {
    const std::uint64_t offset = header.size() + entry.begin;
    if (entry.dtype && entry.shape.size() <= TensorSpec::kMaxRank) {
      DCAC_RETURN_IF_ERROR(builder.AddTensor(offset, entry.name, {*entry.dtype, entry.shape, Layout::kFlat}));
    } else {
      DCAC_RETURN_IF_ERROR(builder.AddOpaque(offset, entry.name, entry.end - entry.begin));
    }
  }
  OriginalFile original;
  DCAC_ASSIGN_OR_RETURN(original.head, builder.Finish(ArchiveKind::kSafetensors,
                                                      file != nullptr ? file->size() : header.size() + data_end));
  return original;
}

absl::StatusOr<OriginalFile> ReadSafetensors(const RandomSource& file, std::uint64_t header_bytes) {
  if (header_bytes > file.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat("holds ", file.size(), " bytes, its safetensors header is to have ", header_bytes));
  }
  Bytes header(static_cast<std::size_t>(header_bytes));
  DCAC_RETURN_IF_ERROR(file.ReadAt(0, header));
  return ReadSafetensors(&file, header);
}

// ---- Raw samples

absl::StatusOr<OriginalFile> ReadRaw(std::optional<std::uint64_t> file_bytes, const InputFormat& format) {
  if (!format.dtype) return absl::InvalidArgumentError("--shape is given without --dtype, expected both");
  const TensorSpec spec{*format.dtype, *format.shape, Layout::kFlat};
  DCAC_ASSIGN_OR_RETURN(const std::uint64_t tensor_bytes, TensorBytes(spec));
  if (file_bytes && *file_bytes != tensor_bytes) {
    return absl::InvalidArgumentError(absl::StrCat("holds ", *file_bytes, " bytes, expected ", tensor_bytes,
                                                   " for shape ", ShapeToString(spec.shape), " of ",
                                                   std::string(DTypeName(spec.dtype))));
  }
  PieceBuilder builder(nullptr);
  DCAC_RETURN_IF_ERROR(builder.AddTensor(0, "", spec));
  OriginalFile original;
  DCAC_ASSIGN_OR_RETURN(original.head, builder.Finish(ArchiveKind::kRaw, tensor_bytes));
  return original;
}

// ---- Files and pipes

absl::StatusOr<OriginalFile> ReadByContent(const RandomSource& file) {
  Bytes start(static_cast<std::size_t>(std::min<std::uint64_t>(file.size(), kStartBytes)));
  DCAC_RETURN_IF_ERROR(file.ReadAt(0, start));
  if (HasNpyMagic(start)) return ReadNpy(file);
  if (HasZipMagic(start)) return ReadZip(file);
  if (const auto header_bytes = SafetensorsHeaderBytes(start)) return ReadSafetensors(file, *header_bytes);
  return AsBytes(file.size(), "");
}

absl::StatusOr<OriginalFile> ReadFile(const RandomSource& file) {
  absl::StatusOr<OriginalFile> original = ReadByContent(file);
  if (original.ok() || !IsOfContent(original.status())) return original;
  return AsBytes(file.size(), std::string(original.status().message()));
}

absl::StatusOr<OriginalFile> ReadNpyPipe(PushbackSource& source) {
  DCAC_ASSIGN_OR_RETURN(const Bytes header, ReadNpyHeader(source));
  DCAC_ASSIGN_OR_RETURN(const TensorSpec spec, ParseNpyHeader(header));
  PieceBuilder builder(nullptr);
  DCAC_RETURN_IF_ERROR(builder.AddNpy(0, "", header, spec));
  OriginalFile original;
  DCAC_ASSIGN_OR_RETURN(original.head, builder.Finish(ArchiveKind::kNpy, builder.position()));
  return original;
}

absl::StatusOr<OriginalFile> ReadSafetensorsPipe(PushbackSource& source, std::uint64_t header_bytes) {
  Bytes header;
  while (header.size() < header_bytes) {  // grows with what arrives, not with what is announced
    const std::size_t before = header.size();
    header.resize(static_cast<std::size_t>(std::min<std::uint64_t>(header_bytes, before + kChunkBytes)));
    DCAC_ASSIGN_OR_RETURN(const std::size_t n, ReadFully(source, std::span(header).subspan(before)));
    const bool ended = before + n < header.size();
    header.resize(before + n);
    if (ended) break;
  }
  source.Unread(header);
  if (header.size() < header_bytes) return absl::InvalidArgumentError("ends within a safetensors header");
  return ReadSafetensors(nullptr, header);
}

absl::StatusOr<OriginalFile> ReadPipeByContent(PushbackSource& source) {
  Bytes start(kStartBytes);
  DCAC_ASSIGN_OR_RETURN(const std::size_t n, ReadFully(source, start));
  start.resize(n);
  source.Unread(start);
  if (HasNpyMagic(start)) return ReadNpyPipe(source);
  if (const auto header_bytes = SafetensorsHeaderBytes(start)) return ReadSafetensorsPipe(source, *header_bytes);
  return absl::InvalidArgumentError("");
}

// Bytes of which only the end tells how many they are.
absl::StatusOr<OriginalFile> ReadOpenPipe(PushbackSource& source, std::string note) {
  Bytes start(kOpenFrameBytes);
  DCAC_ASSIGN_OR_RETURN(const std::size_t n, ReadFully(source, start));
  source.Unread(ByteSpan(start).first(n));
  if (n < start.size()) return AsBytes(n, std::move(note));
  OriginalFile original;
  original.head = {.kind = ArchiveKind::kBytes, .form = ArchiveHead::Form::kOpen};
  original.note = std::move(note);
  return original;
}

absl::StatusOr<OriginalFile> ReadPipe(PushbackSource& source) {
  absl::StatusOr<OriginalFile> original = ReadPipeByContent(source);
  if (original.ok() || !IsOfContent(original.status())) return original;
  return ReadOpenPipe(source, std::string(original.status().message()));
}

absl::StatusOr<DType> SampleType(DType stored, std::optional<DType> wanted) {
  if (!wanted || *wanted == stored) return stored;
  if (stored == DType::kU16 && *wanted == DType::kBF16) return DType::kBF16;
  return absl::InvalidArgumentError(absl::StrCat("samples are ", std::string(DTypeName(stored)), ", expected ",
                                                 *wanted == DType::kBF16 ? "u16 or " : "",
                                                 std::string(DTypeName(*wanted)), " as --dtype says"));
}

// Takes uint16 for bfloat16 where the user says so.  A .npy file must have the type that the user says; a file of many
// tensors may have others too.
absl::Status ApplyDType(std::optional<DType> wanted, OriginalFile& original) {
  if (original.head.kind != ArchiveKind::kNpy && original.head.kind != ArchiveKind::kNpz) return absl::OkStatus();
  for (Piece& piece : original.head.pieces) {
    if (piece.kind != PieceKind::kTensor) continue;
    const absl::StatusOr<DType> dtype = SampleType(piece.dtype, wanted);
    if (!dtype.ok() && original.head.kind == ArchiveKind::kNpy) return dtype.status();
    piece.dtype = dtype.value_or(piece.dtype);
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<OriginalFile> ReadOriginal(const FileSource& file, PushbackSource& source, const InputFormat& format) {
  if (format.shape) return ReadRaw(file.size(), format);
  absl::StatusOr<OriginalFile> original = file.size() ? ReadFile(RandomFile(file)) : ReadPipe(source);
  if (original.ok()) DCAC_RETURN_IF_ERROR(ApplyDType(format.dtype, *original));
  return original;
}

absl::StatusOr<OriginalFile> ReadOriginal(const RandomSource& file) {
  return ReadFile(file);
}

bool IsFortranOrder(const ArchiveHead& head, std::size_t piece, std::uint64_t inline_offset) {
  const bool is_array = head.kind == ArchiveKind::kNpy || head.kind == ArchiveKind::kNpz;
  // A header that is no inline bytes is the canonical one, which is of C order.
  if (!is_array || piece == 0 || head.pieces[piece - 1].kind != PieceKind::kInline) return false;
  const auto before = std::span(head.inline_bytes).first(inline_offset).last(head.pieces[piece - 1].bytes);
  // The array was taken for a tensor, so its header, the last of these bytes, is well-formed; a hostile archive may
  // have anything there.
  const std::string_view text(reinterpret_cast<const char*>(before.data()), before.size());
  const std::size_t begin = text.rfind(kNpyMagic);
  return begin != std::string_view::npos && IsNpyFortranOrder(before.subspan(begin)).value_or(false);
}

bool IsFortranOrder(const ArchiveHead& head, std::size_t piece) {
  std::uint64_t inline_offset = 0;
  for (std::size_t i = 0; i < piece; ++i) inline_offset += head.pieces[i].inline_bytes();
  return IsFortranOrder(head, piece, inline_offset);
}

std::vector<std::uint64_t> InlineOffsets(const ArchiveHead& head) {
  std::vector<std::uint64_t> offsets;
  offsets.reserve(head.pieces.size());
  std::uint64_t offset = 0;
  for (const Piece& piece : head.pieces) {
    offsets.push_back(offset);
    offset += piece.inline_bytes();
  }
  return offsets;
}

std::vector<std::uint64_t> PieceOffsets(const ArchiveHead& head) {
  std::vector<std::uint64_t> offsets;
  offsets.reserve(head.pieces.size());
  std::uint64_t offset = 0;
  for (std::size_t i = 0; i < head.pieces.size(); ++i) {
    offsets.push_back(offset);
    offset += head.pieces[i].bytes;
    if (head.pieces[i].kind == PieceKind::kNpyHeader) {
      const Piece& tensor = head.pieces[i + 1];
      offset += CanonicalNpyHeader({tensor.dtype, tensor.shape, Layout::kFlat}).size();
    }
  }
  return offsets;
}

absl::StatusOr<TensorSpec> SpecOfNextPiece(const ArchiveHead& head, const Piece& piece, const InputFormat& format,
                                           PushbackSource& source) {
  TensorSpec spec{piece.dtype, piece.shape, format.layout.value_or(Layout::kFlat)};
  if (format.layout) {
    const absl::Status fits = TensorBytes(spec).status();
    if (fits.ok()) return spec;
    if (head.num_frames() == 1) return fits;
  }
  Bytes start(static_cast<std::size_t>(std::min<std::uint64_t>(piece.bytes, kLayoutGuessBytes)));
  DCAC_ASSIGN_OR_RETURN(const std::size_t n, ReadFully(source, start));
  source.Unread(ByteSpan(start).first(n));
  spec.layout = GuessLayout(spec, ByteSpan(start).first(n));
  return spec;
}

TensorSpec OpaqueSpec(std::uint64_t bytes) {
  return {DType::kU8, {bytes}, Layout::kFlat};
}

}  // namespace dcac::files
