// How much memory a program may take where nobody says how much.
#ifndef DCAC_CORE_BASE_MEMORY_BUDGET_H_
#define DCAC_CORE_BASE_MEMORY_BUDGET_H_

#include <cstdint>

namespace dcac {

// A quarter of the memory that this process may use, whether the machine or its control group bounds it, but at most
// 4 GiB.
std::uint64_t DefaultMemoryBytes();

}  // namespace dcac

#endif  // DCAC_CORE_BASE_MEMORY_BUDGET_H_
