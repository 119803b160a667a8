// Stands in for oneTBB's header in the preset tsan, as parallel_for.h does.  Observes nothing.
#ifndef DCAC_TESTS_TSAN_ONEAPI_TBB_TASK_SCHEDULER_OBSERVER_H_
#define DCAC_TESTS_TSAN_ONEAPI_TBB_TASK_SCHEDULER_OBSERVER_H_

#include <oneapi/tbb/task_arena.h>

namespace tbb {

class task_scheduler_observer {
 public:
  explicit task_scheduler_observer(task_arena&) {}
  virtual ~task_scheduler_observer() = default;
  void observe(bool) {}
  virtual void on_scheduler_entry(bool) {}
  virtual void on_scheduler_exit(bool) {}
};

}  // namespace tbb

#endif  // DCAC_TESTS_TSAN_ONEAPI_TBB_TASK_SCHEDULER_OBSERVER_H_
