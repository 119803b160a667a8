// Stands in for oneTBB's header in the preset tsan, as parallel_for.h does.
#ifndef DCAC_TESTS_TSAN_ONEAPI_TBB_TASK_SCHEDULER_OBSERVER_H_
#define DCAC_TESTS_TSAN_ONEAPI_TBB_TASK_SCHEDULER_OBSERVER_H_

#include <oneapi/tbb/task_arena.h>

namespace tbb {

class task_scheduler_observer {
 public:
  explicit task_scheduler_observer(task_arena& arena) : arena_(arena) {}
  virtual ~task_scheduler_observer() = default;
  void observe(bool on) {
    arena_.Observe(on ? std::function<void(bool)>(
                            [this](bool enters) { enters ? on_scheduler_entry(true) : on_scheduler_exit(true); })
                      : nullptr);
  }
  virtual void on_scheduler_entry(bool) {}
  virtual void on_scheduler_exit(bool) {}

 private:
  task_arena& arena_;
};

}  // namespace tbb

#endif  // DCAC_TESTS_TSAN_ONEAPI_TBB_TASK_SCHEDULER_OBSERVER_H_
