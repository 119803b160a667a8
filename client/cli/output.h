// Where a file's result goes: stdout, or a file that appears whole or not at all.
#ifndef DCAC_CLIENT_CLI_OUTPUT_H_
#define DCAC_CLIENT_CLI_OUTPUT_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/cli/progress_bar.h"
#include "core/files/atomic_file.h"
#include "core/files/byte_stream.h"

namespace dcac::cli {

// Takes the places of standard streams that are closed: otherwise the next file that is opened would be one of them,
// and results would be written into it.  What takes a place fails as a closed stream does.  To be called before files
// are opened; nothing need be initialized.
void OccupyClosedStreams();

// Whether both are there and are the same regular file; links are followed.
bool IsSameFile(const std::string& a, const std::string& b);

// Whether what is written to `path` could be read again, which is needed for `reason`: there is nothing yet, or a
// regular file.  Nothing is opened: a pipe would wait for who reads it.  Errors: InvalidArgument (a device or a pipe).
absl::Status CheckReadableAgain(const std::string& path, std::string_view reason);

class Output final : public files::ByteSink {
 public:
  // `path`: kStandardStream for stdout.  Binary data goes to a terminal only with `force`.  A file gets the permissions
  // and the time of modification of `input`, which it must not be.
  static absl::StatusOr<Output> Open(const std::string& path, bool force, const files::FileSource& input,
                                     ProgressBar& progress);

  absl::Status Write(std::span<const std::byte> data) override;
  absl::Status Commit();
  std::uint64_t bytes() const { return bytes_; }

 private:
  Output(std::string path, std::optional<files::AtomicFile> file, ProgressBar& progress)
      : path_(std::move(path)), file_(std::move(file)), progress_(progress) {}

  std::string path_;
  std::optional<files::AtomicFile> file_;
  ProgressBar& progress_;
  std::uint64_t bytes_ = 0;
};

// Counts what is read of another source.
class ProgressSource final : public files::ByteSource {
 public:
  ProgressSource(files::ByteSource& source, ProgressBar& progress) : source_(source), progress_(progress) {}
  absl::StatusOr<std::size_t> Read(std::span<std::byte> out) override;
  std::uint64_t bytes() const { return bytes_; }

 private:
  files::ByteSource& source_;
  ProgressBar& progress_;
  std::uint64_t bytes_ = 0;
};

}  // namespace dcac::cli

#endif  // DCAC_CLIENT_CLI_OUTPUT_H_
