#include "core/base/memory_budget.h"

#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <optional>
#include <string>
#include <string_view>

namespace dcac {
namespace {

// The number in `path`; nothing when there is none, as in "max".
std::optional<std::uint64_t> ReadNumber(const std::string& path) {
  std::uint64_t number = 0;
  if (std::ifstream(path) >> number) return number;
  return std::nullopt;
}

// The bound of the control group, version 2, that this process is in, and of those above it.
std::uint64_t ControlGroupBytes() {
  std::uint64_t bytes = ~std::uint64_t{0};
  std::ifstream groups("/proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {
    constexpr std::string_view kVersion2 = "0::";
    if (!line.starts_with(kVersion2)) continue;
    for (std::string group = line.substr(kVersion2.size());; group.resize(group.rfind('/'))) {
      bytes = std::min(bytes, ReadNumber("/sys/fs/cgroup" + group + "/memory.max").value_or(bytes));
      if (group.find('/') == std::string::npos) break;
    }
  }
  return std::min(bytes, ReadNumber("/sys/fs/cgroup/memory/memory.limit_in_bytes").value_or(bytes));  // version 1
}

}  // namespace

std::uint64_t DefaultMemoryBytes() {
  constexpr std::uint64_t kMost = std::uint64_t{4} << 30;
  const auto pages = static_cast<std::uint64_t>(std::max(::sysconf(_SC_PHYS_PAGES), 0L));
  const auto page_bytes = static_cast<std::uint64_t>(std::max(::sysconf(_SC_PAGESIZE), 0L));
  return std::min(std::min(pages * page_bytes, ControlGroupBytes()) / 4, kMost);
}

}  // namespace dcac
