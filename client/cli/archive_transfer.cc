#include "client/cli/archive_transfer.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <span>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/cli/options.h"
#include "core/base/status_macros.h"

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

}  // namespace

absl::StatusOr<files::FileSource> OpenInput(const std::string& path) {
  if (path == kStandardStream) return files::FileSource::Stdin();
  return files::FileSource::Open(path);
}

absl::StatusOr<files::OriginalFile> WriteArchive(const files::FileSource& file, files::ByteSource& source,
                                                 const files::InputFormat& format, const EncodeOptions& options,
                                                 FrameCoder& coder, files::ByteSink& sink) {
  files::PushbackSource input(source);
  DCAC_ASSIGN_OR_RETURN(files::OriginalFile original, files::ReadOriginalHead(file, input, format));
  DCAC_RETURN_IF_ERROR(sink.Write(files::SerializeArchiveHead(original.head)));
  files::LimitedSource samples(input, original.tensor_bytes);
  DCAC_RETURN_IF_ERROR(coder.Encode(original.spec, options, samples, sink));
  std::vector<std::byte> suffix(original.head.suffix.size());
  DCAC_RETURN_IF_ERROR(files::ReadFully(input, suffix).status());
  DCAC_RETURN_IF_ERROR(files::CheckOriginalEnd(input));
  return original;
}

absl::StatusOr<RestoredFile> RestoreArchive(files::ByteSource& source, FrameCoder& coder, files::ByteSink& sink) {
  files::PushbackSource input(source);
  DCAC_ASSIGN_OR_RETURN(const files::ArchiveHead head, files::ReadArchiveHead(input));
  RestoredFile restored;
  restored.kind = head.kind;
  const auto write_prefix = [&](const TensorSpec& spec) {
    restored.spec = spec;
    return sink.Write(files::OriginalPrefix(head, spec));
  };
  DCAC_RETURN_IF_ERROR(coder.Decode(input, write_prefix, sink));
  DCAC_RETURN_IF_ERROR(sink.Write(head.suffix));
  DCAC_ASSIGN_OR_RETURN(restored.tensor_bytes, TensorBytes(restored.spec));
  return restored;
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
