// Stands in for oneTBB's header in the preset tsan, as parallel_for.h does.
#ifndef DCAC_TESTS_TSAN_ONEAPI_TBB_PARTITIONER_H_
#define DCAC_TESTS_TSAN_ONEAPI_TBB_PARTITIONER_H_

namespace tbb {

// Every index is a part of its own here in any case.
struct simple_partitioner {};

}  // namespace tbb

#endif  // DCAC_TESTS_TSAN_ONEAPI_TBB_PARTITIONER_H_
