// Preloaded into a program, makes one of its system calls on files fail, or ends the program there.
//
// DCAC_FAULT=CALL:N:KIND: the N-th CALL (read, write, sync, rename, or any of them) is met by KIND: EIO, ENOSPC or
// EINTR (it fails), short (it does half of what it was asked for), kill (the program gets SIGKILL before the call),
// killed (after it), change (after the call another byte is appended to the file, as if by another program).
// DCAC_FAULT_MARK: a file that is created when that happens.
//
// Only calls on regular files that are not empty count as reads, so that what libraries look up in /proc does not, and
// only those on descriptors above stderr as writes.
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>

namespace {

enum class Kind { kNone, kError, kShort, kKill, kKilled, kChange };

struct Plan {
  std::string call;
  long number = 0;
  Kind kind = Kind::kNone;
  int error = 0;
  const char* mark = nullptr;
};

Plan ReadPlan() {
  Plan plan;
  const char* const text = std::getenv("DCAC_FAULT");
  if (text == nullptr) return plan;
  const std::string_view whole = text;
  const std::size_t first = whole.find(':'), second = whole.find(':', first + 1);
  plan.call = whole.substr(0, first);
  plan.number = std::atol(text + first + 1);
  plan.mark = std::getenv("DCAC_FAULT_MARK");
  const std::string_view kind = whole.substr(second + 1);
  plan.kind = kind == "short"    ? Kind::kShort
              : kind == "kill"   ? Kind::kKill
              : kind == "killed" ? Kind::kKilled
              : kind == "change" ? Kind::kChange
                                 : Kind::kError;
  plan.error = kind == "ENOSPC" ? ENOSPC : kind == "EINTR" ? EINTR : EIO;
  return plan;
}

const Plan& ThePlan() {
  static const Plan plan = ReadPlan();
  return plan;
}

void Kill() {
  ::kill(::getpid(), SIGKILL);
  ::pause();
}

// What is to happen to this call.
Kind NextFault(std::string_view call) {
  static std::atomic<long> count{0};
  const Plan& plan = ThePlan();
  if (plan.kind == Kind::kNone || (plan.call != "any" && plan.call != call)) return Kind::kNone;
  if (++count != plan.number) return Kind::kNone;
  if (plan.mark != nullptr) ::syscall(SYS_close, ::syscall(SYS_openat, AT_FDCWD, plan.mark, O_CREAT | O_WRONLY, 0666));
  if (plan.kind == Kind::kKill) Kill();
  if (plan.kind == Kind::kError) errno = plan.error;
  return plan.kind;
}

bool IsContent(int fd) {
  struct stat info;
  return ::fstat(fd, &info) == 0 && S_ISREG(info.st_mode) && info.st_size > 0;
}

// A byte more, unseen by the counters.
void AppendByte(int fd) {
  char path[64];
  std::snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  const long other = ::syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_APPEND);
  ::syscall(SYS_write, other, "x", 1L);
  ::syscall(SYS_close, other);
}

template <typename Function>
Function Real(const char* name) {
  return reinterpret_cast<Function>(::dlsym(RTLD_NEXT, name));
}

// Runs `real` for `size` bytes, or fewer, or not at all.
template <typename Real>
ssize_t Transfer(const char* call, bool counts, int fd, std::size_t size, Real&& real) {
  const Kind kind = counts ? NextFault(call) : Kind::kNone;
  if (kind == Kind::kError) return -1;
  const ssize_t result = real(kind == Kind::kShort && size > 1 ? size / 2 : size);
  if (kind == Kind::kChange) AppendByte(fd);
  if (kind == Kind::kKilled) Kill();
  return result;
}

template <typename Real>
int Whole(const char* call, Real&& real) {
  const Kind kind = NextFault(call);
  if (kind == Kind::kError) return -1;
  const int result = real();
  if (kind == Kind::kKilled) Kill();
  return result;
}

}  // namespace

extern "C" {

__attribute__((visibility("default"))) ssize_t read(int fd, void* data, size_t size) {
  static const auto real = Real<ssize_t (*)(int, void*, size_t)>("read");
  return Transfer("read", IsContent(fd), fd, size, [&](std::size_t n) { return real(fd, data, n); });
}

__attribute__((visibility("default"))) ssize_t pread64(int fd, void* data, size_t size, off64_t offset) {
  static const auto real = Real<ssize_t (*)(int, void*, size_t, off64_t)>("pread64");
  return Transfer("read", IsContent(fd), fd, size, [&](std::size_t n) { return real(fd, data, n, offset); });
}

__attribute__((visibility("default"))) ssize_t pread(int fd, void* data, size_t size, off_t offset) {
  return pread64(fd, data, size, offset);
}

__attribute__((visibility("default"))) ssize_t write(int fd, const void* data, size_t size) {
  static const auto real = Real<ssize_t (*)(int, const void*, size_t)>("write");
  return Transfer("write", fd > STDERR_FILENO, fd, size, [&](std::size_t n) { return real(fd, data, n); });
}

__attribute__((visibility("default"))) ssize_t pwrite64(int fd, const void* data, size_t size, off64_t offset) {
  static const auto real = Real<ssize_t (*)(int, const void*, size_t, off64_t)>("pwrite64");
  return Transfer("write", true, fd, size, [&](std::size_t n) { return real(fd, data, n, offset); });
}

__attribute__((visibility("default"))) ssize_t pwrite(int fd, const void* data, size_t size, off_t offset) {
  return pwrite64(fd, data, size, offset);
}

__attribute__((visibility("default"))) int fsync(int fd) {
  static const auto real = Real<int (*)(int)>("fsync");
  return Whole("sync", [&] { return real(fd); });
}

__attribute__((visibility("default"))) int fdatasync(int fd) {
  static const auto real = Real<int (*)(int)>("fdatasync");
  return Whole("sync", [&] { return real(fd); });
}

__attribute__((visibility("default"))) int rename(const char* from, const char* to) {
  static const auto real = Real<int (*)(const char*, const char*)>("rename");
  return Whole("rename", [&] { return real(from, to); });
}

__attribute__((visibility("default"))) int renameat2(int from_fd, const char* from, int to_fd, const char* to,
                                                     unsigned flags) {
  static const auto real = Real<int (*)(int, const char*, int, const char*, unsigned)>("renameat2");
  return Whole("rename", [&] { return real(from_fd, from, to_fd, to, flags); });
}

}  // extern "C"
