#include "client/cli/output.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "client/cli/options.h"
#include "core/base/status_macros.h"

namespace dcac::cli {
namespace {

bool IsSameFile(const struct stat& a, const struct stat& b) {
  return S_ISREG(a.st_mode) && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

bool IsSameFile(const std::string& path, const files::FileSource& input) {
  struct stat output_info, input_info;
  return ::stat(path.c_str(), &output_info) == 0 && ::fstat(input.fd(), &input_info) == 0 &&
         IsSameFile(output_info, input_info);
}

// Errors are reported for the input, so the output must be named.
absl::Status NameOutput(const std::string& path, const absl::Status& status) {
  if (status.ok()) return status;
  return absl::Status(status.code(),
                      absl::StrCat(path == kStandardStream ? "stdout" : path, ": ", std::string(status.message())));
}

}  // namespace

void OccupyClosedStreams() {
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    // The lowest number that is free is taken, which is this one.
    if (::fcntl(fd, F_GETFD) < 0) ::open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
  }
}

bool IsSameFile(const std::string& a, const std::string& b) {
  struct stat a_info, b_info;
  return ::stat(a.c_str(), &a_info) == 0 && ::stat(b.c_str(), &b_info) == 0 && IsSameFile(a_info, b_info);
}

absl::Status CheckReadableAgain(const std::string& path, std::string_view reason) {
  struct stat info;
  if (::stat(path.c_str(), &info) != 0 || S_ISREG(info.st_mode)) return absl::OkStatus();
  return NameOutput(
      path, absl::InvalidArgumentError(absl::StrCat("is no regular file, expected one for ", std::string(reason))));
}

absl::StatusOr<Output> Output::Open(const std::string& path, bool force, const files::FileSource& input,
                                    ProgressBar& progress) {
  if (path == kStandardStream) {
    if (::isatty(STDOUT_FILENO) == 1 && !force) {
      return NameOutput(path, absl::FailedPreconditionError("is a terminal, expected a file, a pipe or --force"));
    }
    return Output(path, std::nullopt, progress);
  }
  if (IsSameFile(path, input))
    return NameOutput(path, absl::InvalidArgumentError("is input and output, expected two files"));
  const auto existing = force ? files::AtomicFile::Existing::kReplace : files::AtomicFile::Existing::kRefuse;
  absl::StatusOr<files::AtomicFile> file = files::AtomicFile::Create(path, existing, input.mode());
  if (!file.ok()) return NameOutput(path, file.status());
  if (input.modified()) file->SetModified(*input.modified());
  return Output(path, *std::move(file), progress);
}

absl::Status Output::Write(std::span<const std::byte> data) {
  bytes_ += data.size();
  progress_.AddOutput(data.size());
  return NameOutput(path_, file_ ? file_->Write(data) : files::FdSink(STDOUT_FILENO).Write(data));
}

absl::Status Output::Commit() {
  return file_ ? NameOutput(path_, file_->Commit()) : absl::OkStatus();
}

absl::StatusOr<std::size_t> ProgressSource::Read(std::span<std::byte> out) {
  DCAC_ASSIGN_OR_RETURN(const std::size_t n, source_.Read(out));
  bytes_ += n;
  progress_.AddInput(n);
  return n;
}

}  // namespace dcac::cli
