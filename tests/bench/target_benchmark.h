// Benchmarks that run on every SIMD target of this CPU.
#ifndef DCAC_TESTS_BENCH_TARGET_BENCHMARK_H_
#define DCAC_TESTS_BENCH_TARGET_BENCHMARK_H_

#include <benchmark/benchmark.h>
#include <oneapi/tbb/global_control.h>

#include <functional>
#include <string>
#include <string_view>

#include "dcac/simd_target.h"

namespace dcac {

// Registers `body` as NAME/TARGET for each target.
inline void RegisterForTargets(const std::string& name, const std::function<void(benchmark::State&)>& body) {
  for (std::string_view target : SupportedTargets()) {
    benchmark::RegisterBenchmark((name + "/" + std::string(target)).c_str(), [body, target](benchmark::State& state) {
      const std::string_view before = ActiveTarget();
      if (!ForceTarget(target).ok()) return state.SkipWithError("the target cannot be forced");
      body(state);
      ForceTarget(before).IgnoreError();
    });
  }
}

// The same with a second way to do it, the plain loops, as NAME/plain.
inline void RegisterWithPlain(const std::string& name, const std::function<void(benchmark::State&, bool plain)>& body) {
  benchmark::RegisterBenchmark((name + "/plain").c_str(), [body](benchmark::State& state) { body(state, true); });
  RegisterForTargets(name, [body](benchmark::State& state) { body(state, false); });
}

// The main function of a program whose benchmarks `register_all` registers; one thread.
inline int RunBenchmarks(int argc, char** argv, void (*register_all)()) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  const tbb::global_control one_thread(tbb::global_control::max_allowed_parallelism, 1);
  register_all();
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}

}  // namespace dcac

#endif  // DCAC_TESTS_BENCH_TARGET_BENCHMARK_H_
