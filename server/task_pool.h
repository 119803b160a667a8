// Threads that run tasks of calls.
#ifndef DCAC_SERVER_TASK_POOL_H_
#define DCAC_SERVER_TASK_POOL_H_

#include <functional>

namespace dcac::server {

class TaskPool {
 public:
  virtual ~TaskPool() = default;

  // Runs `task` on one of the threads; tasks start in the order of their calls.  The task must not throw.
  virtual void Enqueue(std::function<void()> task) = 0;

  // Whether tasks may wait for disks and networks; then all of them have run before its end.
  virtual bool may_wait() const { return false; }
};

}  // namespace dcac::server

#endif  // DCAC_SERVER_TASK_POOL_H_
