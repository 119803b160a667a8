// Stands in for oneTBB's header in the preset tsan.  ThreadSanitizer does not see how the tasks of the library, which
// is not built with it, wait for each other, and takes all they share for races.  Threads of the standard library it
// sees.
#ifndef DCAC_TESTS_TSAN_ONEAPI_TBB_PARALLEL_FOR_H_
#define DCAC_TESTS_TSAN_ONEAPI_TBB_PARALLEL_FOR_H_

#include <oneapi/tbb/blocked_range.h>
#include <oneapi/tbb/partitioner.h>

#include <atomic>
#include <thread>
#include <vector>

namespace tbb {

// Every index by the next thread that is free.
template <typename Index, typename Body>
void parallel_for(Index first, Index last, const Body& body) {
  constexpr int kThreads = 4;
  std::atomic<Index> next{first};
  const auto work = [&] {
    for (Index i = next++; i < last; i = next++) body(i);
  };
  std::vector<std::thread> threads;
  if (first < last && last - first > 1) {
    for (int i = 1; i < kThreads; ++i) threads.emplace_back(work);
  }
  work();
  for (std::thread& thread : threads) thread.join();
}

template <typename Index, typename Body>
void parallel_for(Index first, Index last, const Body& body, const simple_partitioner&) {
  parallel_for(first, last, body);
}

// In parts of the grain of `range`.
template <typename Value, typename Body>
void parallel_for(const blocked_range<Value>& range, const Body& body) {
  const auto grain = static_cast<Value>(range.grainsize());
  const Value parts = (range.end() - range.begin() + grain - 1) / grain;
  parallel_for(Value{0}, parts, [&](Value part) {
    const Value begin = range.begin() + part * grain;
    const Value rest = range.end() - begin;
    body(blocked_range<Value>(begin, rest < grain ? range.end() : begin + grain));
  });
}

}  // namespace tbb

#endif  // DCAC_TESTS_TSAN_ONEAPI_TBB_PARALLEL_FOR_H_
