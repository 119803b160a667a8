#include "client/cli/store_files.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <span>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "client/cli/report.h"
#include "core/base/hash.h"
#include "core/base/status_macros.h"
#include "core/files/archive_file.h"
#include "core/files/npy.h"
#include "core/files/printable.h"

namespace dcac::cli {
namespace {

FrameAccess AccessFrom(const files::RandomSource& file, std::uint64_t begin) {
  return {file.size() - begin,
          [&file, begin](std::uint64_t offset, std::span<std::byte> out) { return file.ReadAt(begin + offset, out); }};
}

// Whether a single frame, with the canonical header before it if that is what the archive says, is the file.
absl::StatusOr<bool> IsSingleFrameOf(const files::ArchiveFile& archive, const files::RandomSource& file) {
  const files::ArchiveFile::Frame& frame = archive.frames().front();
  const files::Piece& piece = archive.head().pieces[frame.piece];
  std::vector<std::byte> header;
  if (archive.head().kind == files::ArchiveKind::kNpy) {
    header = files::CanonicalNpyHeader({piece.dtype, piece.shape, Layout::kFlat});
  }
  if (file.size() != header.size() + piece.bytes) return false;
  std::vector<std::byte> start(header.size());
  DCAC_RETURN_IF_ERROR(file.ReadAt(0, start));
  if (start != header) return false;
  DCAC_ASSIGN_OR_RETURN(const Digest stored, ReadFrameDigest(archive.Access(frame)));
  DCAC_ASSIGN_OR_RETURN(const Digest digest, DigestOf(AccessFrom(file, header.size())));
  return digest == stored;
}

bool IsNoSuchArchive(const absl::Status& status) {
  return absl::IsDataLoss(status) || absl::IsUnimplemented(status) || absl::IsAborted(status) ||
         absl::IsNotFound(status);
}

absl::StatusOr<bool> Restores(const files::ArchiveFile& archive, const files::RandomSource& file) {
  if (!archive.digest()) return IsSingleFrameOf(archive, file);
  DCAC_ASSIGN_OR_RETURN(const Digest digest, DigestOf(AccessFrom(file, 0)));
  return digest == *archive.digest();
}

}  // namespace

absl::StatusOr<TemporaryFile> TemporaryFile::Create() {
  std::error_code error;
  const std::filesystem::path folder = std::filesystem::temp_directory_path(error);
  if (error) return absl::UnavailableError(absl::StrCat("no folder for temporary files: ", error.message()));
  std::string name = folder / "dcac-XXXXXX";
  const int fd = ::mkostemp(name.data(), O_CLOEXEC);
  if (fd < 0) return absl::ErrnoToStatus(errno, absl::StrCat("cannot create a temporary file in ", folder.string()));
  ::unlink(name.c_str());
  return TemporaryFile(fd);
}

TemporaryFile::TemporaryFile(TemporaryFile&& other) noexcept : fd_(std::exchange(other.fd_, -1)), size_(other.size_) {}

TemporaryFile::~TemporaryFile() {
  if (fd_ >= 0) ::close(fd_);
}

absl::Status TemporaryFile::Write(std::span<const std::byte> data) {
  DCAC_RETURN_IF_ERROR(files::FdSink(fd_).Write(data));
  size_ += data.size();
  return absl::OkStatus();
}

absl::Status TemporaryFile::ReadAt(std::uint64_t offset, std::span<std::byte> out) const {
  while (!out.empty()) {
    const ssize_t n = ::pread(fd_, out.data(), out.size(), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return absl::ErrnoToStatus(errno, "cannot read a temporary file");
    if (n == 0) return absl::DataLossError(absl::StrCat("the temporary file ends at byte ", offset));
    out = out.subspan(static_cast<std::size_t>(n));
    offset += static_cast<std::uint64_t>(n);
  }
  return absl::OkStatus();
}

FrameAccess TemporaryFile::Access() const {
  return {size_, [this](std::uint64_t offset, std::span<std::byte> out) { return ReadAt(offset, out); }};
}

absl::Status StoredBytes::ReadAt(std::uint64_t offset, std::span<std::byte> out) const {
  return FromStore(store_.ReadStored(object_, offset, out));
}

absl::StatusOr<Digest> DigestOf(const FrameAccess& bytes) {
  std::vector<std::byte> buffer(files::kChunkBytes);
  DigestStream digest;
  for (std::uint64_t offset = 0; offset < bytes.frame_bytes;) {
    const auto chunk = std::span(buffer).first(std::min<std::uint64_t>(buffer.size(), bytes.frame_bytes - offset));
    DCAC_RETURN_IF_ERROR(bytes.read(offset, chunk));
    digest.Update(chunk);
    offset += chunk.size();
  }
  return digest.Get();
}

absl::StatusOr<std::optional<StoredFile>> FindStoredFile(const client::Store& store, const std::string& key,
                                                         const files::FileSource& file) {
  absl::StatusOr<client::StoredObject> object = store.Stat(key);
  if (absl::IsNotFound(object.status()) || absl::IsDataLoss(object.status())) return std::nullopt;
  if (!object.ok()) return FromStore(object.status());
  if (object->kind != client::ObjectKind::kArchive || object->raw_bytes != file.size()) return std::nullopt;
  const StoredBytes stored(store, *object);
  const absl::StatusOr<files::ArchiveFile> archive = files::ArchiveFile::Open(stored);
  const absl::StatusOr<bool> restores =
      archive.ok() ? Restores(*archive, files::RandomFile(file)) : absl::StatusOr<bool>(archive.status());
  // What is damaged, of a later version, was replaced meanwhile or is gone is put anew.
  if (IsNoSuchArchive(restores.status())) return std::nullopt;
  DCAC_RETURN_IF_ERROR(restores.status());
  DCAC_RETURN_IF_ERROR(file.CheckUnchanged());
  if (!*restores) return std::nullopt;
  return StoredFile{*std::move(object), archive->head().kind};
}

absl::Status FromStore(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kNotFound:
    case absl::StatusCode::kAlreadyExists:
    case absl::StatusCode::kAborted:
      return status;
    default:
      return MarkFromServer(status);
  }
}

std::string FolderPrefix(std::string_view prefix) {
  std::string folder(prefix);
  if (!folder.empty() && !folder.ends_with('/')) folder += '/';
  return folder;
}

absl::StatusOr<std::string> PathOfKey(std::string_view key, std::string_view folder_prefix) {
  const std::string path(key.starts_with(folder_prefix) ? key.substr(folder_prefix.size()) : std::string_view());
  for (const auto& part : absl::StrSplit(path, '/')) {
    if (part.empty() || part == "." || part == ".." || part.find('\0') != part.npos) {
      return absl::InvalidArgumentError(
          absl::StrCat("key ", files::Printable(std::string(key)), " is no path below a folder"));
    }
  }
  return path;
}

}  // namespace dcac::cli
