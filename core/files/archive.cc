#include "core/files/archive.h"

#include <xxhash.h>
#include <zstd.h>

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "core/base/bytes.h"
#include "core/base/status_macros.h"

namespace dcac::files {
namespace {

constexpr std::array<std::byte, 4> kMagic = {std::byte{'D'}, std::byte{'C'}, std::byte{'A'}, std::byte{'R'}};
constexpr std::array<std::byte, 4> kTailMagic = {std::byte{'D'}, std::byte{'C'}, std::byte{'A'}, std::byte{'T'}};
constexpr std::uint8_t kVersion = 1;
constexpr std::size_t kVersionAt = kMagic.size();
constexpr int kChecksumBytes = 4;
constexpr std::size_t kFirstReadBytes = 4096;
constexpr std::size_t kTailBytesWithoutFrames = 4 + 16 + 4 + 4;  // magic, digest, size, checksum
constexpr std::size_t kMaxVarintBytes = 10;

// Bits of the flags byte; the others are reserved and 0.
constexpr unsigned kSingle = 1u << 0;
constexpr unsigned kTableZstd = 1u << 1;
constexpr unsigned kOpen = 1u << 2;

constexpr std::array<std::string_view, 7> kKindNames = {"", "raw", "npy", "npz", "safetensors", "torch", "bytes"};

std::uint32_t Checksum(ByteSpan data) {
  return static_cast<std::uint32_t>(XXH3_64bits(data.data(), data.size()));
}

bool StartsWith(ByteSpan data, ByteSpan magic) {
  return data.size() >= magic.size() && std::equal(magic.begin(), magic.end(), data.begin());
}

// ---- The table of pieces

void AppendName(std::string_view name, Bytes& out) {
  AppendVarint(name.size(), out);
  AppendBytes(std::as_bytes(std::span(name)), out);
}

Bytes SerializeTable(const ArchiveHead& head) {
  Bytes table;
  AppendVarint(head.pieces.size(), table);
  for (const Piece& piece : head.pieces) {
    AppendByte(static_cast<std::uint8_t>(piece.kind), table);
    if (piece.has_frame()) AppendName(piece.name, table);
    if (piece.kind == PieceKind::kTensor) {
      AppendByte(static_cast<std::uint8_t>(piece.dtype), table);
      AppendByte(static_cast<std::uint8_t>(piece.shape.size()), table);
      for (const std::uint64_t extent : piece.shape) AppendVarint(extent, table);
    } else if (piece.kind != PieceKind::kNpyHeader) {
      AppendVarint(piece.bytes, table);
    }
  }
  AppendBytes(head.inline_bytes, table);
  return table;
}

// The table by zstd; empty where that does not make it smaller.
Bytes PackTable(ByteSpan table) {
  // Small tables count in small archives; large ones should not cost the memory of a high level.
  constexpr std::size_t kSmallBytes = std::size_t{1} << 20;
  constexpr int kSmallLevel = 19, kLargeLevel = 3;
  Bytes packed(ZSTD_compressBound(table.size()));
  const std::size_t n = ZSTD_compress(packed.data(), packed.size(), table.data(), table.size(),
                                      table.size() <= kSmallBytes ? kSmallLevel : kLargeLevel);
  if (ZSTD_isError(n) || n + VarintBytes(n) >= table.size()) return {};
  packed.resize(n);
  return packed;
}

absl::StatusOr<Bytes> UnpackTable(ByteSpan packed, std::size_t table_bytes) {
  if (ZSTD_findFrameCompressedSize(packed.data(), packed.size()) != packed.size()) {
    return absl::DataLossError("the table of the archive is not one whole zstd frame");
  }
  Bytes table(table_bytes);
  const std::size_t n = ZSTD_decompress(table.data(), table.size(), packed.data(), packed.size());
  if (ZSTD_isError(n) || n != table.size()) return absl::DataLossError("the table of the archive is corrupt");
  return table;
}

absl::Status ReadName(ByteReader& reader, std::string& name) {
  std::uint64_t bytes = 0;
  DCAC_RETURN_IF_ERROR(reader.ReadVarint("name length", bytes));
  if (bytes > kMaxNameBytes) {
    return absl::DataLossError(absl::StrCat("a name has ", bytes, " bytes, expected at most ", kMaxNameBytes));
  }
  ByteSpan text;
  DCAC_RETURN_IF_ERROR(reader.ReadSpan("name", bytes, text));
  name.assign(reinterpret_cast<const char*>(text.data()), text.size());
  return absl::OkStatus();
}

absl::Status ReadTensor(ByteReader& reader, Piece& piece) {
  std::uint8_t dtype = 0, rank = 0;
  DCAC_RETURN_IF_ERROR(reader.ReadByte("dtype", dtype));
  DCAC_RETURN_IF_ERROR(reader.ReadByte("rank", rank));
  piece.dtype = static_cast<DType>(dtype);
  if (SampleBytes(piece.dtype) == 0) return absl::UnimplementedError(absl::StrCat("dtype ", dtype, " is unknown"));
  if (rank > TensorSpec::kMaxRank) {
    return absl::DataLossError(absl::StrCat("rank is ", rank, ", expected at most ", TensorSpec::kMaxRank));
  }
  piece.shape.resize(rank);
  for (std::uint64_t& extent : piece.shape) DCAC_RETURN_IF_ERROR(reader.ReadVarint("extent", extent));
  const absl::StatusOr<std::uint64_t> bytes = TensorBytes({piece.dtype, piece.shape, Layout::kFlat});
  if (!bytes.ok()) return absl::DataLossError(bytes.status().message());
  piece.bytes = *bytes;
  return absl::OkStatus();
}

absl::Status ReadPiece(ByteReader& reader, Piece& piece) {
  std::uint8_t kind = 0;
  DCAC_RETURN_IF_ERROR(reader.ReadByte("kind", kind));
  if (kind > static_cast<std::uint8_t>(PieceKind::kNpyHeader)) {
    return absl::UnimplementedError(absl::StrCat("kind is ", kind, ", expected 0 to 3"));
  }
  piece.kind = static_cast<PieceKind>(kind);
  if (piece.has_frame()) DCAC_RETURN_IF_ERROR(ReadName(reader, piece.name));
  if (piece.kind == PieceKind::kTensor) return ReadTensor(reader, piece);
  if (piece.kind == PieceKind::kNpyHeader) return absl::OkStatus();
  DCAC_RETURN_IF_ERROR(reader.ReadVarint("length", piece.bytes));
  if (piece.bytes == 0 || piece.bytes > std::uint64_t{1} << 62) {
    return absl::DataLossError(absl::StrCat("length is ", piece.bytes, ", expected 1 to 2^62"));
  }
  return absl::OkStatus();
}

// Sums of a table that is read.
struct TableSums {
  std::uint64_t original_bytes = 0;
  std::uint64_t inline_bytes = 0;
};

absl::Status AddPiece(const Piece& piece, TableSums& sums) {
  constexpr std::uint64_t kMost = std::uint64_t{1} << 62;
  if (piece.bytes > kMost - sums.original_bytes) {
    return absl::DataLossError("the pieces of the archive exceed 2^62 bytes");
  }
  sums.original_bytes += piece.bytes;
  if (piece.kind == PieceKind::kInline) sums.inline_bytes += piece.bytes;
  return absl::OkStatus();
}

absl::Status ParseTable(ByteSpan table, ArchiveHead& head) {
  ByteReader reader(table);
  std::uint64_t count = 0;
  DCAC_RETURN_IF_ERROR(reader.ReadVarint("number of pieces", count));
  if (count > kMaxPieces || count > reader.remaining()) {  // every piece takes a byte or more
    return absl::DataLossError(
        absl::StrCat("the archive has ", count, " pieces in ", table.size(), " bytes, expected at most ", kMaxPieces));
  }
  head.pieces.resize(static_cast<std::size_t>(count));
  TableSums sums;
  const Piece* before = nullptr;
  for (Piece& piece : head.pieces) {
    const absl::Status status = ReadPiece(reader, piece);
    if (!status.ok()) {
      return absl::Status(status.code(), absl::StrCat("piece ", &piece - head.pieces.data(), ": ", status.message()));
    }
    if (before && before->kind == PieceKind::kNpyHeader && piece.kind != PieceKind::kTensor) {
      return absl::DataLossError("a .npy header of the archive is followed by no tensor");
    }
    DCAC_RETURN_IF_ERROR(AddPiece(piece, sums));
    before = &piece;
  }
  if (before && before->kind == PieceKind::kNpyHeader) {
    return absl::DataLossError("a .npy header of the archive is followed by no tensor");
  }
  if (reader.remaining() != sums.inline_bytes) {
    return absl::DataLossError(
        absl::StrCat("the archive head holds ", reader.remaining(), " bytes of pieces, expected ", sums.inline_bytes));
  }
  const ByteSpan rest = table.subspan(reader.position());
  head.inline_bytes.assign(rest.begin(), rest.end());
  return absl::OkStatus();
}

// ---- The head

// What follows the magic, not believed yet.
struct FixedFields {
  std::uint8_t version = 0, kind = 0, flags = 0;
};

absl::Status ReadFixedFields(ByteReader& reader, FixedFields& fields) {
  ByteSpan magic;
  DCAC_RETURN_IF_ERROR(reader.ReadSpan("magic", kMagic.size(), magic));
  DCAC_RETURN_IF_ERROR(reader.ReadByte("version", fields.version));
  DCAC_RETURN_IF_ERROR(reader.ReadByte("kind", fields.kind));
  return reader.ReadByte("flags", fields.flags);
}

absl::Status CheckVersion(std::uint8_t version) {
  if (version == kVersion) return absl::OkStatus();
  return absl::UnimplementedError(absl::StrCat("archive version is ", version, ", expected ", kVersion));
}

// Takes kind and form out of the fields of a head whose checksum matches.
absl::Status TakeForm(const FixedFields& fields, ArchiveHead& head) {
  if (fields.kind == 0 || fields.kind >= kKindNames.size()) {
    return absl::UnimplementedError(
        absl::StrCat("archive kind is ", fields.kind, ", expected 1 to ", kKindNames.size() - 1));
  }
  head.kind = static_cast<ArchiveKind>(fields.kind);
  switch (fields.flags) {
    case kSingle:
      head.form = ArchiveHead::Form::kSingle;
      head.pieces = SinglePieces(head.kind);
      if (!head.pieces.empty()) return absl::OkStatus();
      break;
    case kOpen:
      head.form = ArchiveHead::Form::kOpen;
      if (head.kind == ArchiveKind::kBytes) return absl::OkStatus();
      break;
    case 0:
    case kTableZstd:
      head.form = ArchiveHead::Form::kTable;
      return absl::OkStatus();
    default:
      break;
  }
  return absl::DataLossError(absl::StrCat("archive flags ", fields.flags, " are not allowed with kind ", fields.kind));
}

// The table as it is stored, not believed yet.
struct StoredTable {
  std::size_t table_bytes = 0;
  ByteSpan content;
};

absl::Status ReadTable(ByteReader& reader, unsigned flags, StoredTable& stored) {
  if (flags != 0 && flags != kTableZstd) return absl::OkStatus();
  std::uint64_t table_bytes = 0;
  DCAC_RETURN_IF_ERROR(reader.ReadVarint("table length", table_bytes));
  if (table_bytes == 0 || table_bytes > kMaxTableBytes) {
    return absl::DataLossError(
        absl::StrCat("the table of the archive has ", table_bytes, " bytes, expected 1 to ", kMaxTableBytes));
  }
  std::uint64_t stored_bytes = table_bytes;
  if (flags == kTableZstd) {
    DCAC_RETURN_IF_ERROR(reader.ReadVarint("stored table length", stored_bytes));
    if (stored_bytes == 0 || stored_bytes > table_bytes) {
      return absl::DataLossError(
          absl::StrCat("the table of the archive is stored in ", stored_bytes, " bytes, expected 1 to ", table_bytes));
    }
  }
  stored.table_bytes = static_cast<std::size_t>(table_bytes);
  return reader.ReadSpan("table", stored_bytes, stored.content);
}

// Reads the checksum of `data`, which begins with the head, and compares it with what it is in this version.
absl::Status ReadChecksum(ByteReader& reader, ByteSpan data) {
  const ByteSpan fields = data.first(reader.position());
  std::uint64_t checksum = 0;
  DCAC_RETURN_IF_ERROR(reader.ReadLittleEndian("checksum", kChecksumBytes, checksum));
  Bytes known(fields.begin(), fields.end());
  known[kVersionAt] = std::byte{kVersion};
  if (checksum != Checksum(known)) return absl::DataLossError("the checksum of the archive head does not match");
  return absl::OkStatus();
}

absl::Status ReadHead(ByteReader& reader, ByteSpan data, FixedFields& fields, StoredTable& stored) {
  DCAC_RETURN_IF_ERROR(ReadFixedFields(reader, fields));
  DCAC_RETURN_IF_ERROR(ReadTable(reader, fields.flags, stored));
  return ReadChecksum(reader, data);
}

absl::Status ParseHead(ByteReader& reader, ByteSpan data, ArchiveHead& head) {
  FixedFields fields;
  StoredTable stored;
  const absl::Status status = ReadHead(reader, data, fields, stored);
  if (reader.short_input()) return status;
  // A head of this version in all but its version is damaged there.
  const absl::Status version = CheckVersion(fields.version);
  if (!version.ok()) return status.ok() ? absl::DataLossError("the version of the archive is damaged") : version;
  DCAC_RETURN_IF_ERROR(status);
  DCAC_RETURN_IF_ERROR(TakeForm(fields, head));
  if (head.form != ArchiveHead::Form::kTable) return absl::OkStatus();
  if (fields.flags != kTableZstd) return ParseTable(stored.content, head);
  DCAC_ASSIGN_OR_RETURN(const Bytes table, UnpackTable(stored.content, stored.table_bytes));
  return ParseTable(table, head);
}

}  // namespace

std::string_view ArchiveKindName(ArchiveKind kind) {
  return kKindNames[static_cast<std::size_t>(kind)];
}

std::size_t ArchiveHead::num_frames() const {
  return static_cast<std::size_t>(
      std::count_if(pieces.begin(), pieces.end(), [](const Piece& piece) { return piece.has_frame(); }));
}

std::vector<Piece> SinglePieces(ArchiveKind kind) {
  switch (kind) {
    case ArchiveKind::kRaw:
      return {{.kind = PieceKind::kTensor}};
    case ArchiveKind::kNpy:
      return {{.kind = PieceKind::kNpyHeader}, {.kind = PieceKind::kTensor}};
    case ArchiveKind::kBytes:
      return {{.kind = PieceKind::kOpaque}};
    default:
      return {};
  }
}

bool FitsSingle(const ArchiveHead& head) {
  const std::vector<Piece> single = SinglePieces(head.kind);
  const auto fits = [](const Piece& a, const Piece& b) { return a.kind == b.kind && a.name == b.name; };
  return !single.empty() && std::equal(single.begin(), single.end(), head.pieces.begin(), head.pieces.end(), fits);
}

std::vector<std::byte> SerializeArchiveHead(const ArchiveHead& head) {
  unsigned flags = 0;
  Bytes content;
  if (head.form == ArchiveHead::Form::kTable) {
    const Bytes table = SerializeTable(head);
    const Bytes packed = PackTable(table);
    AppendVarint(table.size(), content);
    if (!packed.empty()) {
      flags = kTableZstd;
      AppendVarint(packed.size(), content);
    }
    AppendBytes(packed.empty() ? table : packed, content);
  } else {
    flags = head.form == ArchiveHead::Form::kSingle ? kSingle : kOpen;
  }
  Bytes out(kMagic.begin(), kMagic.end());
  AppendByte(kVersion, out);
  AppendByte(static_cast<std::uint8_t>(head.kind), out);
  AppendByte(static_cast<std::uint8_t>(flags), out);
  AppendBytes(content, out);
  AppendLittleEndian(Checksum(out), kChecksumBytes, out);
  return out;
}

bool HasArchiveMagic(std::span<const std::byte> start) {
  return StartsWith(start, kMagic);
}

absl::StatusOr<std::optional<ParsedArchiveHead>> ParseArchiveHead(std::span<const std::byte> data) {
  if (!StartsWith(data, ByteSpan(kMagic).first(std::min(data.size(), kMagic.size())))) {
    return absl::DataLossError("is no dcac archive");
  }
  ByteReader reader(data);
  ParsedArchiveHead parsed;
  const absl::Status status = ParseHead(reader, data, parsed.head);
  if (!status.ok() && reader.short_input()) return std::nullopt;
  if (!status.ok()) return status;
  parsed.head_bytes = reader.position();
  return parsed;
}

absl::Status ArchiveHeadCutShort(std::span<const std::byte> data) {
  if (data.size() > kVersionAt) DCAC_RETURN_IF_ERROR(CheckVersion(std::to_integer<std::uint8_t>(data[kVersionAt])));
  return absl::DataLossError(absl::StrCat("ends within the archive head, after ", data.size(), " bytes"));
}

absl::StatusOr<ParsedArchiveHead> ReadArchiveHead(PushbackSource& source) {
  Bytes data;
  for (std::size_t more = kFirstReadBytes;; more = data.size()) {
    const std::size_t before = data.size();
    data.resize(before + more);
    DCAC_ASSIGN_OR_RETURN(const std::size_t n, ReadFully(source, std::span(data).subspan(before)));
    data.resize(before + n);
    DCAC_ASSIGN_OR_RETURN(std::optional<ParsedArchiveHead> parsed, ParseArchiveHead(data));
    if (parsed) {
      source.Unread(ByteSpan(data).subspan(parsed->head_bytes));
      return *std::move(parsed);
    }
    if (n < more) return ArchiveHeadCutShort(data);
  }
}

bool HasArchiveTailMagic(std::span<const std::byte> data) {
  return StartsWith(data, kTailMagic);
}

std::vector<std::byte> SerializeArchiveTail(const ArchiveTail& tail) {
  Bytes out(kTailMagic.begin(), kTailMagic.end());
  for (const std::uint64_t bytes : tail.frame_bytes) AppendVarint(bytes, out);
  AppendBytes(tail.digest, out);
  AppendLittleEndian(out.size() + 8, 4, out);
  AppendLittleEndian(Checksum(out), kChecksumBytes, out);
  return out;
}

absl::StatusOr<std::size_t> ArchiveTailBytes(std::span<const std::byte> end) {
  constexpr std::size_t kMost = kTailBytesWithoutFrames + kMaxPieces * kMaxVarintBytes;
  if (end.size() < kArchiveTailEndBytes) return absl::DataLossError("the archive ends before its tail");
  const std::uint64_t bytes = LoadLittleEndian(end.data() + end.size() - kArchiveTailEndBytes, 4);
  if (bytes < kTailBytesWithoutFrames || bytes > kMost) {
    return absl::DataLossError(absl::StrCat("the tail of the archive has ", bytes, " bytes, expected ",
                                            kTailBytesWithoutFrames, " to ", kMost));
  }
  return static_cast<std::size_t>(bytes);
}

absl::StatusOr<ArchiveTail> ParseArchiveTail(std::span<const std::byte> data) {
  DCAC_ASSIGN_OR_RETURN(const std::size_t tail_bytes, ArchiveTailBytes(data));
  if (tail_bytes != data.size()) {
    return absl::DataLossError(
        absl::StrCat("the tail of the archive has ", data.size(), " bytes, and says it has ", tail_bytes));
  }
  if (!HasArchiveTailMagic(data)) return absl::DataLossError("the tail of the archive has another magic");
  const ByteSpan checked = data.first(data.size() - kChecksumBytes);
  if (LoadLittleEndian(checked.data() + checked.size(), kChecksumBytes) != Checksum(checked)) {
    return absl::DataLossError("the checksum of the archive's tail does not match");
  }
  ArchiveTail tail;
  const std::size_t digest_at = data.size() - kArchiveTailEndBytes - tail.digest.size();
  ByteReader reader(data.first(digest_at).subspan(kTailMagic.size()));
  while (reader.remaining() > 0) {
    if (tail.frame_bytes.size() == kMaxPieces) {
      return absl::DataLossError(absl::StrCat("the archive has more than ", kMaxPieces, " frames"));
    }
    DCAC_RETURN_IF_ERROR(reader.ReadVarint("size of a frame", tail.frame_bytes.emplace_back()));
  }
  std::copy_n(data.begin() + static_cast<std::ptrdiff_t>(digest_at), tail.digest.size(), tail.digest.begin());
  return tail;
}

}  // namespace dcac::files
