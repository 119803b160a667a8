#include "client/cli/output.h"

#include <sys/stat.h>
#include <unistd.h>

#include "client/cli/options.h"
#include "core/base/status_macros.h"

namespace dcac::cli {
namespace {

bool IsSameFile(const std::string& path, const files::FileSource& input) {
  struct stat output_info, input_info;
  return ::stat(path.c_str(), &output_info) == 0 && ::fstat(input.fd(), &input_info) == 0 &&
         S_ISREG(output_info.st_mode) && output_info.st_dev == input_info.st_dev &&
         output_info.st_ino == input_info.st_ino;
}

}  // namespace

absl::StatusOr<Output> Output::Open(const std::string& path, bool force, const files::FileSource& input,
                                    ProgressBar& progress) {
  if (path == kStandardStream) {
    if (::isatty(STDOUT_FILENO) == 1 && !force) {
      return absl::FailedPreconditionError("is a terminal, expected a file, a pipe or --force");
    }
    return Output(std::nullopt, progress);
  }
  if (IsSameFile(path, input)) return absl::InvalidArgumentError("is input and output, expected two files");
  const auto existing = force ? files::AtomicFile::Existing::kReplace : files::AtomicFile::Existing::kRefuse;
  DCAC_ASSIGN_OR_RETURN(files::AtomicFile file, files::AtomicFile::Create(path, existing, input.mode()));
  return Output(std::move(file), progress);
}

absl::Status Output::Write(std::span<const std::byte> data) {
  bytes_ += data.size();
  progress_.AddOutput(data.size());
  return file_ ? file_->Write(data) : files::FdSink(STDOUT_FILENO).Write(data);
}

absl::Status Output::Commit() {
  return file_ ? file_->Commit() : absl::OkStatus();
}

absl::StatusOr<std::size_t> ProgressSource::Read(std::span<std::byte> out) {
  DCAC_ASSIGN_OR_RETURN(const std::size_t n, source_.Read(out));
  bytes_ += n;
  progress_.AddInput(n);
  return n;
}

}  // namespace dcac::cli
