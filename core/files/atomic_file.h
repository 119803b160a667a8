// A file that appears whole or not at all.
#ifndef DCAC_CORE_FILES_ATOMIC_FILE_H_
#define DCAC_CORE_FILES_ATOMIC_FILE_H_

#include <time.h>

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/files/byte_stream.h"

namespace dcac::files {

// Writes a temporary beside the target and renames it in Commit.  Without Commit the temporary is removed and a file
// that was there before is untouched.  A target that is no regular file (a device, a named pipe) is written directly.
class AtomicFile final : public ByteSink {
 public:
  enum class Existing { kRefuse, kReplace };

  // `mode`: permission bits of the new file.
  // Errors: AlreadyExists (kRefuse, and a regular file is there), others as the system says.
  static absl::StatusOr<AtomicFile> Create(const std::string& path, Existing existing, unsigned mode);

  AtomicFile(AtomicFile&& other) noexcept;
  AtomicFile& operator=(AtomicFile&&) = delete;
  ~AtomicFile() override;

  absl::Status Write(std::span<const std::byte> data) override;

  // Commit gives the new file this time of last modification.  Without effect where the target is written directly.
  void SetModified(timespec time) { modified_ = time; }

  // Makes content and name durable: fsync, rename, fsync of the folder.  Nothing may be written afterwards.
  // Errors: AlreadyExists (kRefuse, and a file came to be there meanwhile), others as the system says.
  absl::Status Commit();

 private:
  AtomicFile(std::string path, std::string temporary, Existing existing, int fd, int slot);
  void Discard();

  std::string path_;
  std::string temporary_;  // empty: `path_` is written directly
  Existing existing_;
  int fd_;
  std::optional<timespec> modified_;
  int slot_;  // where the signal handler finds the temporary; -1: nowhere
};

// Whether `name`, without folders, is what AtomicFile calls a temporary.  One without a living process is a leftover.
bool IsTemporaryName(std::string_view name);

// From now on SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE, SIGXFSZ and SIGXCPU remove the temporaries of this process
// before they end it as usual.  For programs, not for libraries.
void RemoveTemporariesOnSignals();

}  // namespace dcac::files

#endif  // DCAC_CORE_FILES_ATOMIC_FILE_H_
