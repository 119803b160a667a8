#include "server/cpu_budget.h"

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>

namespace dcac::server {

std::optional<int> ParseCpuMax(std::string_view text) {
  std::istringstream in{std::string(text)};
  std::int64_t quota = 0;
  std::int64_t period = 0;
  if (!(in >> quota >> period) || quota <= 0 || period <= 0) return std::nullopt;
  return static_cast<int>(std::min<std::int64_t>((quota - 1) / period + 1, 1 << 16));
}

int CpuBudget() {
  const int processors = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  std::ifstream file("/sys/fs/cgroup/cpu.max");
  std::string line;
  std::getline(file, line);
  return std::min(processors, ParseCpuMax(line).value_or(processors));
}

}  // namespace dcac::server
