#include "core/files/atomic_file.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstring>
#include <utility>

#include "core/base/status_macros.h"

namespace dcac::files {
namespace {

// Names of live temporaries, in a form that a signal handler may read: it must not allocate or lock.
struct Slot {
  enum State : int { kFree, kBusy, kLive };
  std::atomic<int> state{kFree};
  std::array<char, PATH_MAX> path{};
};
static_assert(std::atomic<int>::is_always_lock_free);

std::array<Slot, 64> g_slots;

int Register(const std::string& path) {
  if (path.size() >= PATH_MAX) return -1;
  for (std::size_t i = 0; i < g_slots.size(); ++i) {
    int expected = Slot::kFree;
    if (!g_slots[i].state.compare_exchange_strong(expected, Slot::kBusy)) continue;
    std::memcpy(g_slots[i].path.data(), path.c_str(), path.size() + 1);
    g_slots[i].state.store(Slot::kLive);
    return static_cast<int>(i);
  }
  return -1;
}

void Unregister(int slot) {
  if (slot >= 0) g_slots[static_cast<std::size_t>(slot)].state.store(Slot::kFree);
}

// Whoever asks a program to end, and what the system does where output is no longer wanted (SIGPIPE) or a limit of the
// process is met (file size, processor time).
constexpr std::array kSignals = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE, SIGXFSZ, SIGXCPU};

constexpr int kMostWaits = 2000;  // of a millisecond

std::atomic<int> g_creators{0};  // threads that may have a temporary which is in no slot yet

// While it lives, its thread gets none of the signals, and a handler on another one waits.
class TemporaryCreation {
 public:
  TemporaryCreation() {
    sigset_t blocked;
    ::sigemptyset(&blocked);
    for (const int signal_number : kSignals) ::sigaddset(&blocked, signal_number);
    ::pthread_sigmask(SIG_BLOCK, &blocked, &before_);
    g_creators.fetch_add(1);
  }
  ~TemporaryCreation() {
    g_creators.fetch_sub(1);
    ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  TemporaryCreation(const TemporaryCreation&) = delete;
  TemporaryCreation& operator=(const TemporaryCreation&) = delete;

 private:
  sigset_t before_;
};

void OnSignal(int signal_number) {
  // Not for ever: a file system may hang.
  for (int waits = 0; g_creators.load() > 0 && waits < kMostWaits; ++waits) ::poll(nullptr, 0, 1);
  for (const Slot& slot : g_slots) {
    if (slot.state.load() == Slot::kLive) ::unlink(slot.path.data());
  }
  ::signal(signal_number, SIG_DFL);
  ::raise(signal_number);
}

std::string FolderOf(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

constexpr std::string_view kTemporaryInfix = ".dcac-tmp.";
constexpr std::string_view kTemporarySuffix = "XXXXXX";  // what mkostemp replaces by letters and digits

std::string TemporaryTemplate(const std::string& path) {
  constexpr std::size_t kMostNameBytes = 200;  // leaves room for the rest within NAME_MAX
  const std::size_t slash = path.rfind('/');
  const std::size_t name = slash == std::string::npos ? 0 : slash + 1;
  return path.substr(0, name) + "." + path.substr(name, kMostNameBytes) + std::string(kTemporaryInfix) +
         std::string(kTemporarySuffix);
}

int SyncUninterrupted(int fd) {
  int result = 0;
  do {
    result = ::fsync(fd);
  } while (result != 0 && errno == EINTR);
  return result;
}

absl::Status SyncFolder(const std::string& folder) {
  const int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return absl::ErrnoToStatus(errno, "cannot open its folder");
  // EINVAL: a file system whose folders cannot be synced.
  const bool failed = SyncUninterrupted(fd) != 0 && errno != EINVAL;
  const int error = errno;
  ::close(fd);
  return failed ? absl::ErrnoToStatus(error, "cannot sync its folder") : absl::OkStatus();
}

absl::Status AlreadyExists() {
  return absl::AlreadyExistsError("exists already, expected no file or --force");
}

absl::Status Rename(const std::string& from, const std::string& to, AtomicFile::Existing existing) {
  if (existing == AtomicFile::Existing::kRefuse) {
    if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) return absl::OkStatus();
    if (errno == EEXIST) return AlreadyExists();
    if (errno != EINVAL && errno != ENOSYS) return absl::ErrnoToStatus(errno, "cannot rename the temporary");
    // This file system cannot refuse; that the target was absent has been checked when the file was created.
  }
  if (::rename(from.c_str(), to.c_str()) != 0) return absl::ErrnoToStatus(errno, "cannot rename the temporary");
  return absl::OkStatus();
}

}  // namespace

AtomicFile::AtomicFile(std::string path, std::string temporary, Existing existing, int fd, int slot)
    : path_(std::move(path)), temporary_(std::move(temporary)), existing_(existing), fd_(fd), slot_(slot) {}

AtomicFile::AtomicFile(AtomicFile&& other) noexcept
    : path_(std::move(other.path_)),
      temporary_(std::exchange(other.temporary_, {})),
      existing_(other.existing_),
      fd_(std::exchange(other.fd_, -1)),
      modified_(other.modified_),
      slot_(std::exchange(other.slot_, -1)) {}

AtomicFile::~AtomicFile() {
  Discard();
}

absl::StatusOr<AtomicFile> AtomicFile::Create(const std::string& path, Existing existing, unsigned mode) {
  struct stat info;
  if (::stat(path.c_str(), &info) == 0) {
    if (S_ISDIR(info.st_mode)) return absl::InvalidArgumentError("is a directory, expected a file");
    if (!S_ISREG(info.st_mode)) {
      const int fd = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
      if (fd < 0) return absl::ErrnoToStatus(errno, "cannot open");
      return AtomicFile(path, "", existing, fd, -1);
    }
    if (existing == Existing::kRefuse) return AlreadyExists();
  }
  std::string temporary = TemporaryTemplate(path);
  int fd = -1, slot = -1;
  {
    const TemporaryCreation creation;
    fd = ::mkostemp(temporary.data(), O_CLOEXEC);
    if (fd < 0) return absl::ErrnoToStatus(errno, "cannot create a temporary beside it");
    slot = Register(temporary);
  }
  AtomicFile file(path, temporary, existing, fd, slot);
  if (::fchmod(fd, mode) != 0) return absl::ErrnoToStatus(errno, "cannot set permissions");
  return file;
}

absl::Status AtomicFile::Write(std::span<const std::byte> data) {
  return FdSink(fd_).Write(data);
}

absl::Status AtomicFile::Commit() {
  if (temporary_.empty()) {
    if (::close(std::exchange(fd_, -1)) != 0) return absl::ErrnoToStatus(errno, "cannot close");
    return absl::OkStatus();
  }
  if (modified_) {
    const timespec times[] = {{.tv_sec = 0, .tv_nsec = UTIME_OMIT}, *modified_};
    if (::futimens(fd_, times) != 0) return absl::ErrnoToStatus(errno, "cannot set its time");
  }
  if (SyncUninterrupted(fd_) != 0) return absl::ErrnoToStatus(errno, "cannot sync");
  if (::close(std::exchange(fd_, -1)) != 0) return absl::ErrnoToStatus(errno, "cannot close");
  DCAC_RETURN_IF_ERROR(Rename(temporary_, path_, existing_));
  temporary_.clear();
  Unregister(std::exchange(slot_, -1));
  return SyncFolder(FolderOf(path_));
}

void AtomicFile::Discard() {
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
  temporary_.clear();
  Unregister(std::exchange(slot_, -1));
}

bool IsTemporaryName(std::string_view name) {
  constexpr std::size_t kTail = kTemporaryInfix.size() + kTemporarySuffix.size();
  if (!name.starts_with('.') || name.size() < 1 + kTail) return false;
  const std::string_view tail = name.substr(name.size() - kTail);
  const auto is_letter_or_digit = [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  };
  return tail.starts_with(kTemporaryInfix) &&
         std::all_of(tail.begin() + kTemporaryInfix.size(), tail.end(), is_letter_or_digit);
}

void RemoveTemporariesOnSignals() {
  struct sigaction action = {};
  action.sa_handler = OnSignal;
  ::sigemptyset(&action.sa_mask);
  for (const int signal_number : kSignals) {
    struct sigaction before;
    // A shell starts background programs with SIGINT ignored, and nohup does so with SIGHUP: leave that.
    if (::sigaction(signal_number, nullptr, &before) == 0 && before.sa_handler == SIG_IGN) continue;
    ::sigaction(signal_number, &action, nullptr);
  }
}

}  // namespace dcac::files
