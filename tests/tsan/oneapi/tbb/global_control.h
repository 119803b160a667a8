// Stands in for oneTBB's header in the preset tsan, as parallel_for.h does.  Arenas have their own threads there.
#ifndef DCAC_TESTS_TSAN_ONEAPI_TBB_GLOBAL_CONTROL_H_
#define DCAC_TESTS_TSAN_ONEAPI_TBB_GLOBAL_CONTROL_H_

#include <cstddef>

namespace tbb {

class global_control {
 public:
  enum parameter { max_allowed_parallelism };
  global_control(parameter, std::size_t) {}
};

}  // namespace tbb

#endif  // DCAC_TESTS_TSAN_ONEAPI_TBB_GLOBAL_CONTROL_H_
