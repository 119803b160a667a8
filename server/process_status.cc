#include "server/process_status.h"

#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace dcac::server {
namespace {

std::uint64_t Milliseconds(const timeval& time) {
  return static_cast<std::uint64_t>(time.tv_sec) * 1000 + static_cast<std::uint64_t>(time.tv_usec) / 1000;
}

std::uint64_t CountOpenFiles() {
  std::uint64_t count = 0;
  std::error_code error;
  const std::filesystem::directory_iterator end;
  for (std::filesystem::directory_iterator file("/proc/self/fd", error); !error && file != end; file.increment(error)) {
    ++count;
  }
  return count == 0 ? 0 : count - 1;  // without that of the folder itself
}

}  // namespace

ProcessStatus ReadProcessStatus() {
  ProcessStatus status;
  std::uint64_t size_pages = 0, resident_pages = 0;
  if (std::ifstream("/proc/self/statm") >> size_pages >> resident_pages) {
    status.rss_bytes = resident_pages * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
  }
  rusage usage{};
  if (getrusage(RUSAGE_SELF, &usage) == 0) {
    status.peak_rss_bytes = static_cast<std::uint64_t>(usage.ru_maxrss) * 1024;
    status.cpu_ms = Milliseconds(usage.ru_utime) + Milliseconds(usage.ru_stime);
  }
  rlimit files{};
  if (getrlimit(RLIMIT_NOFILE, &files) == 0) status.max_fds = files.rlim_cur;
  status.open_fds = CountOpenFiles();
  return status;
}

}  // namespace dcac::server
