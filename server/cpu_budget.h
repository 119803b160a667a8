// How many processors this process may use.
#ifndef DCAC_SERVER_CPU_BUDGET_H_
#define DCAC_SERVER_CPU_BUDGET_H_

#include <optional>
#include <string_view>

namespace dcac::server {

// Processors of the affinity mask, or of the container's quota if that is less; at least 1.  oneTBB does not see
// quotas.
int CpuBudget();

// Processors that a cgroup's cpu.max grants ("QUOTA PERIOD" or "max PERIOD"), rounded up; nothing: no quota.
std::optional<int> ParseCpuMax(std::string_view text);

}  // namespace dcac::server

#endif  // DCAC_SERVER_CPU_BUDGET_H_
