#include "server/socket_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace dcac::server {
namespace {

constexpr std::size_t kMaxPathLength = sizeof(sockaddr_un::sun_path) - 1;

}  // namespace

absl::StatusOr<SocketLock> SocketLock::Acquire(const std::string& socket_path) {
  if (socket_path.empty() || socket_path.size() > kMaxPathLength) {
    return absl::InvalidArgumentError(absl::StrCat("unix:", socket_path, ": the path has ", socket_path.size(),
                                                   " characters, not 1..", kMaxPathLength));
  }
  const std::string lock_path = absl::StrCat(socket_path, ".lock");
  const int file = open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (file < 0) return absl::FailedPreconditionError(absl::StrCat(lock_path, ": ", std::strerror(errno)));
  SocketLock lock(file);
  if (flock(file, LOCK_EX | LOCK_NB) == 0) return lock;
  if (errno == EWOULDBLOCK) {
    return absl::AlreadyExistsError(absl::StrCat("unix:", socket_path, ": another server listens there"));
  }
  return absl::FailedPreconditionError(absl::StrCat(lock_path, ": ", std::strerror(errno)));
}

SocketLock::~SocketLock() {
  if (file_ >= 0) close(file_);
}

}  // namespace dcac::server
