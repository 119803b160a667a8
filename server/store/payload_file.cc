#include "server/store/payload_file.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/hash.h"
#include "core/base/status_macros.h"
#include "server/store/block_store.h"
#include "server/store/checks.h"
#include "server/store/record.h"

namespace dcac::store {
namespace {

constexpr std::uint64_t kMagic = 0x314B4C4243414344;  // "DCACBLK1"
constexpr int kMagicBytes = 8, kSizeBytes = 4;
constexpr std::size_t kFixedHeaderBytes = kMagicBytes + kIdCharacters + 2 * kSizeBytes + kHashBytes;
constexpr std::size_t kMaxHeaderBytes = kFixedHeaderBytes + kMaxKeyBytes + kMaxUploadStateBytes;
constexpr std::size_t kStoredPieceBytes = kPieceBytes + kHashBytes;
// So many are read at once, and wait to be written.
constexpr std::size_t kPiecesAtOnce = 4;

Bytes SerializeHeader(const PayloadOwner& owner) {
  Bytes out;
  AppendLittleEndian(kMagic, kMagicBytes, out);
  AppendBytes(AsBytes(owner.id), out);
  AppendLittleEndian(owner.key.size(), kSizeBytes, out);
  AppendBytes(AsBytes(owner.key), out);
  AppendLittleEndian(owner.state.size(), kSizeBytes, out);
  AppendBytes(AsBytes(owner.state), out);
  AppendLittleEndian(HashOf(out), kHashBytes, out);
  return out;
}

absl::Status ParseHeader(ByteReader& reader, PayloadOwner& owner) {
  std::uint64_t magic = 0, size = 0;
  ByteSpan text;
  DCAC_RETURN_IF_ERROR(reader.ReadLittleEndian("magic", kMagicBytes, magic));
  if (magic != kMagic) return absl::DataLossError("file is no payload");
  DCAC_RETURN_IF_ERROR(reader.ReadSpan("id", kIdCharacters, text));
  owner.id = AsText(text);
  DCAC_RETURN_IF_ERROR(reader.ReadLittleEndian("key size", kSizeBytes, size));
  DCAC_RETURN_IF_ERROR(reader.ReadSpan("key", size, text));
  owner.key = AsText(text);
  DCAC_RETURN_IF_ERROR(reader.ReadLittleEndian("state size", kSizeBytes, size));
  DCAC_RETURN_IF_ERROR(reader.ReadSpan("state", size, text));
  owner.state = AsText(text);
  return absl::OkStatus();
}

std::uint64_t PiecesOf(std::uint64_t bytes) {
  return (bytes + kPieceBytes - 1) / kPieceBytes;
}

void AppendPiece(ByteSpan piece, std::uint64_t seed, Bytes& out) {
  AppendBytes(piece, out);
  AppendLittleEndian(HashOf(piece, seed), kHashBytes, out);
}

}  // namespace

absl::StatusOr<PayloadReader> PayloadReader::Open(std::unique_ptr<File> file) {
  DCAC_ASSIGN_OR_RETURN(const std::uint64_t file_bytes, file->Size());
  Bytes start(std::min<std::uint64_t>(file_bytes, kMaxHeaderBytes));
  DCAC_RETURN_IF_ERROR(file->ReadAt(0, start));
  PayloadReader result;
  ByteReader reader(start);
  DCAC_RETURN_IF_ERROR(ParseHeader(reader, result.owner_));
  const std::uint64_t hash = HashOf(ByteSpan(start).first(reader.position()));
  std::uint64_t checksum = 0;
  DCAC_RETURN_IF_ERROR(reader.ReadLittleEndian("header checksum", kHashBytes, checksum));
  if (checksum != hash) return absl::DataLossError("header checksum does not match");
  result.header_bytes_ = reader.position();
  result.seed_ = SeedOf(result.owner_.id);
  result.file_ = std::move(file);
  return result;
}

std::uint64_t PayloadReader::FileBytes(std::uint64_t size_bytes) const {
  return header_bytes_ + size_bytes + PiecesOf(size_bytes) * kHashBytes;
}

bool PayloadReader::HasBytes(std::uint64_t size_bytes) const {
  const absl::StatusOr<std::uint64_t> file_bytes = file_->Size();
  return file_bytes.ok() && *file_bytes == FileBytes(size_bytes);
}

// Reads `count` pieces from `first` on and leaves their bytes, without checksums, in `pieces`.
absl::Status PayloadReader::ReadPieces(std::uint64_t first, std::uint64_t size_bytes, Bytes& pieces,
                                       std::size_t count) const {
  const std::uint64_t begin = first * kPieceBytes;
  const auto bytes = static_cast<std::size_t>(std::min<std::uint64_t>(count * kPieceBytes, size_bytes - begin));
  pieces.resize(bytes + count * kHashBytes);
  const absl::Status read = file_->ReadAt(header_bytes_ + first * kStoredPieceBytes, pieces);
  if (absl::IsOutOfRange(read)) return absl::DataLossError(absl::StrCat("payload is cut off: ", read.message()));
  DCAC_RETURN_IF_ERROR(read);
  std::size_t from = 0, to = 0;
  for (std::uint64_t piece = first; piece < first + count; ++piece) {
    const std::size_t size = std::min(kPieceBytes, bytes - to);
    const std::byte* data = pieces.data() + from;
    if (LoadLittleEndian64(data + size) != HashOf(ByteSpan(data, size), seed_ + piece)) {
      return absl::DataLossError(absl::StrCat("checksum of bytes ", piece * kPieceBytes, " .. ",
                                              piece * kPieceBytes + size, " does not match"));
    }
    std::copy_n(data, size, pieces.data() + to);
    from += size + kHashBytes;
    to += size;
  }
  pieces.resize(bytes);
  return absl::OkStatus();
}

absl::Status PayloadReader::Read(std::uint64_t size_bytes, std::uint64_t offset, std::span<std::byte> out) const {
  Bytes pieces;
  while (!out.empty()) {
    const std::uint64_t first = offset / kPieceBytes;
    const std::uint64_t count = std::min<std::uint64_t>(PiecesOf(offset + out.size()) - first, kPiecesAtOnce);
    DCAC_RETURN_IF_ERROR(ReadPieces(first, size_bytes, pieces, static_cast<std::size_t>(count)));
    const auto skip = static_cast<std::size_t>(offset - first * kPieceBytes);
    const std::size_t n = std::min(out.size(), pieces.size() - skip);
    std::copy_n(pieces.data() + skip, n, out.data());
    out = out.subspan(n);
    offset += n;
  }
  return absl::OkStatus();
}

absl::Status PayloadReader::Check(std::uint64_t size_bytes) const {
  Bytes pieces;
  for (std::uint64_t first = 0; first < PiecesOf(size_bytes); first += kPiecesAtOnce) {
    const std::uint64_t count = std::min<std::uint64_t>(PiecesOf(size_bytes) - first, kPiecesAtOnce);
    DCAC_RETURN_IF_ERROR(ReadPieces(first, size_bytes, pieces, static_cast<std::size_t>(count)));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::uint64_t> PayloadReader::SoundBytes() const {
  DCAC_ASSIGN_OR_RETURN(const std::uint64_t file_bytes, file_->Size());
  const std::uint64_t whole = (file_bytes - header_bytes_) / kStoredPieceBytes;
  const std::uint64_t rest = (file_bytes - header_bytes_) % kStoredPieceBytes;
  Bytes piece;
  for (std::uint64_t i = 0; i < whole; ++i) {
    const absl::Status status = ReadPieces(i, (i + 1) * kPieceBytes, piece, 1);
    if (absl::IsDataLoss(status)) return i * kPieceBytes;
    DCAC_RETURN_IF_ERROR(status);
  }
  if (rest <= kHashBytes) return whole * kPieceBytes;
  const std::uint64_t all = whole * kPieceBytes + rest - kHashBytes;
  const absl::Status status = ReadPieces(whole, all, piece, 1);
  if (absl::IsDataLoss(status)) return whole * kPieceBytes;
  DCAC_RETURN_IF_ERROR(status);
  return all;
}

absl::StatusOr<PayloadWriter> PayloadWriter::Create(std::unique_ptr<File> file, const PayloadOwner& owner) {
  const Bytes header = SerializeHeader(owner);
  DCAC_RETURN_IF_ERROR(file->WriteAt(0, header));
  return PayloadWriter(std::move(file), SeedOf(owner.id), header.size());
}

absl::StatusOr<PayloadWriter> PayloadWriter::Resume(PayloadReader reader) {
  DCAC_ASSIGN_OR_RETURN(const std::uint64_t sound, reader.SoundBytes());
  const std::uint64_t seed = SeedOf(reader.owner().id);
  const std::uint64_t header_bytes = reader.FileBytes(0);
  const std::uint64_t file_bytes = reader.FileBytes(sound);
  const std::uint64_t whole = sound / kPieceBytes * kPieceBytes;
  Bytes last(sound - whole);
  DCAC_RETURN_IF_ERROR(reader.Read(sound, whole, last));
  std::unique_ptr<File> file = std::move(reader).TakeFile();
  DCAC_RETURN_IF_ERROR(file->Truncate(file_bytes));
  PayloadWriter writer(std::move(file), seed, header_bytes);
  writer.written_bytes_ = whole;
  writer.resumed_bytes_ = sound;
  writer.pending_ = std::move(last);
  return writer;
}

absl::Status PayloadWriter::Append(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const std::size_t n = std::min(bytes.size(), kPiecesAtOnce * kPieceBytes - pending_.size());
    AppendBytes(bytes.first(n), pending_);
    bytes = bytes.subspan(n);
    if (pending_.size() == kPiecesAtOnce * kPieceBytes) DCAC_RETURN_IF_ERROR(WritePending(pending_.size()));
  }
  return absl::OkStatus();
}

absl::Status PayloadWriter::Finish() {
  return WritePending(pending_.size());
}

absl::Status PayloadWriter::WritePending(std::size_t bytes) {
  if (bytes == 0) return absl::OkStatus();
  Bytes stored;
  stored.reserve(bytes + PiecesOf(bytes) * kHashBytes);
  const std::uint64_t first = written_bytes_ / kPieceBytes;
  const ByteSpan pending = ByteSpan(pending_).first(bytes);
  for (std::uint64_t i = 0; i < PiecesOf(pending.size()); ++i) {
    const std::size_t begin = i * kPieceBytes;
    AppendPiece(pending.subspan(begin, std::min(kPieceBytes, pending.size() - begin)), seed_ + first + i, stored);
  }
  const std::uint64_t at = header_bytes_ + first * kStoredPieceBytes;
  DCAC_RETURN_IF_ERROR(file_->WriteAt(at, stored));
  file_->StartSync(at, stored.size());
  written_bytes_ += bytes;
  pending_.erase(pending_.begin(), pending_.begin() + static_cast<std::ptrdiff_t>(bytes));
  return absl::OkStatus();
}

absl::Status PayloadWriter::Read(std::uint64_t offset, std::span<std::byte> out) const {
  if (offset > size_bytes() || out.size() > size_bytes() - offset) {
    return absl::OutOfRangeError(
        absl::StrCat("upload of ", size_bytes(), " bytes ends before byte ", offset + out.size()));
  }
  for (; !out.empty() && offset < written_bytes_;) {
    const std::uint64_t piece = offset / kPieceBytes;
    const auto size =
        static_cast<std::size_t>(std::min<std::uint64_t>(kPieceBytes, written_bytes_ - piece * kPieceBytes));
    Bytes stored(size + kHashBytes);
    DCAC_RETURN_IF_ERROR(file_->ReadAt(header_bytes_ + piece * kStoredPieceBytes, stored));
    if (LoadLittleEndian64(stored.data() + size) != HashOf(ByteSpan(stored).first(size), seed_ + piece)) {
      return absl::DataLossError(absl::StrCat("checksum of piece ", piece, " of the upload does not match"));
    }
    const auto skip = static_cast<std::size_t>(offset - piece * kPieceBytes);
    const std::size_t n = std::min(out.size(), size - skip);
    std::copy_n(stored.data() + skip, n, out.data());
    out = out.subspan(n);
    offset += n;
  }
  if (!out.empty()) std::copy_n(pending_.data() + (offset - written_bytes_), out.size(), out.data());
  return absl::OkStatus();
}

}  // namespace dcac::store
