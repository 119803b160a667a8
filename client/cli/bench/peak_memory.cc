#include "client/cli/bench/peak_memory.h"

#include <malloc.h>

#include <algorithm>
#include <fstream>
#include <string>

namespace dcac::cli {
namespace {

// A line "NAME:   1234 kB" of /proc/self/status, in bytes.
std::optional<std::uint64_t> ReadStatusField(const std::string& name) {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    std::uint64_t kibibytes = 0;
    if (word == name + ":" && status >> kibibytes) return kibibytes * 1024;
  }
  return std::nullopt;
}

// Sets VmHWM, the peak, to what is resident now.
bool ResetPeak() {
  std::ofstream clear_refs("/proc/self/clear_refs");
  clear_refs << "5" << std::flush;
  return clear_refs.good();
}

}  // namespace

PeakMemory::PeakMemory() {
  ::malloc_trim(0);
  if (ResetPeak()) start_bytes_ = ReadStatusField("VmRSS");
}

std::optional<std::uint64_t> PeakMemory::Bytes() const {
  const std::optional<std::uint64_t> peak = ReadStatusField("VmHWM");
  if (!start_bytes_ || !peak) return std::nullopt;
  return *peak - std::min(*peak, *start_bytes_);
}

}  // namespace dcac::cli
