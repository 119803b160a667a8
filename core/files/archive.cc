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

// Version, kind and flags, in that order.
absl::Status ReadFixedFields(ByteReader& reader, ArchiveHead& head, unsigned& flags) {
  std::uint8_t version = 0, kind = 0, flags_byte = 0;
  DCAC_RETURN_IF_ERROR(reader.ReadByte("version", version));
  DCAC_RETURN_IF_ERROR(reader.ReadByte("kind", kind));
  DCAC_RETURN_IF_ERROR(reader.ReadByte("flags", flags_byte));
  if (version != kVersion) {
    return absl::UnimplementedError(absl::StrCat("archive version is ", version, ", expected ", kVersion));
  }
  if (kind == 0 || kind >= kKindNames.size()) {
    return absl::UnimplementedError(absl::StrCat("archive kind is ", kind, ", expected 1 to ", kKindNames.size() - 1));
  }
  head.kind = static_cast<ArchiveKind>(kind);
  flags = flags_byte;
  switch (flags) {
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
  return absl::DataLossError(absl::StrCat("archive flags ", flags, " are not allowed with kind ", kind));
}

// The table as it is stored, not believed yet.
struct StoredTable {
  std::size_t table_bytes = 0;
  ByteSpan content;
};

absl::Status ReadTable(ByteReader& reader, bool zstd, StoredTable& stored) {
  std::uint64_t table_bytes = 0;
  DCAC_RETURN_IF_ERROR(reader.ReadVarint("table length", table_bytes));
  if (table_bytes == 0 || table_bytes > kMaxTableBytes) {
    return absl::DataLossError(
        absl::StrCat("the table of the archive has ", table_bytes, " bytes, expected 1 to ", kMaxTableBytes));
  }
  std::uint64_t stored_bytes = table_bytes;
  if (zstd) {
    DCAC_RETURN_IF_ERROR(reader.ReadVarint("stored table length", stored_bytes));
    if (stored_bytes == 0 || stored_bytes > table_bytes) {
      return absl::DataLossError(
          absl::StrCat("the table of the archive is stored in ", stored_bytes, " bytes, expected 1 to ", table_bytes));
    }
  }
  stored.table_bytes = static_cast<std::size_t>(table_bytes);
  return reader.ReadSpan("table", stored_bytes, stored.content);
}

absl::Status ParseHead(ByteReader& reader, ByteSpan data, ArchiveHead& head) {
  ByteSpan magic;
  DCAC_RETURN_IF_ERROR(reader.ReadSpan("magic", kMagic.size(), magic));
  unsigned flags = 0;
  DCAC_RETURN_IF_ERROR(ReadFixedFields(reader, head, flags));
  StoredTable stored;
  if (head.form == ArchiveHead::Form::kTable) DCAC_RETURN_IF_ERROR(ReadTable(reader, flags & kTableZstd, stored));
  const std::uint32_t expected = Checksum(data.first(reader.position()));
  std::uint64_t checksum = 0;
  DCAC_RETURN_IF_ERROR(reader.ReadLittleEndian("checksum", kChecksumBytes, checksum));
  if (checksum != expected) return absl::DataLossError("the checksum of the archive head does not match");
  if (head.form != ArchiveHead::Form::kTable) return absl::OkStatus();
  if (!(flags & kTableZstd)) return ParseTable(stored.content, head);
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
    if (n < more)
      return absl::DataLossError(absl::StrCat("ends within the archive head, after ", data.size(), " bytes"));
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
