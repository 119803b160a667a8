// Keeps a second server off a Unix socket: gRPC would take the path over without a word, and remove it on exit.
#ifndef DCAC_SERVER_SOCKET_LOCK_H_
#define DCAC_SERVER_SOCKET_LOCK_H_

#include <string>
#include <utility>

#include "absl/status/statusor.h"

namespace dcac::server {

// Holds an flock on the file `PATH.lock` as long as it lives; the kernel releases it when the process ends, however
// that happens.  The file stays, for removing it would let two servers lock different files of the same name.
class SocketLock {
 public:
  // Errors: AlreadyExists (another server holds the lock), InvalidArgument (the path is too long for a socket),
  // FailedPrecondition (the file cannot be made).
  static absl::StatusOr<SocketLock> Acquire(const std::string& socket_path);

  SocketLock(SocketLock&& other) noexcept : file_(std::exchange(other.file_, -1)) {}
  SocketLock& operator=(SocketLock&& other) noexcept {
    std::swap(file_, other.file_);
    return *this;
  }
  ~SocketLock();

 private:
  explicit SocketLock(int file) : file_(file) {}

  int file_;
};

}  // namespace dcac::server

#endif  // DCAC_SERVER_SOCKET_LOCK_H_
