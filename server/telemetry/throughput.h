// How many bytes passed in the last minutes.
#ifndef DCAC_SERVER_TELEMETRY_THROUGHPUT_H_
#define DCAC_SERVER_TELEMETRY_THROUGHPUT_H_

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <utility>
#include <vector>

namespace dcac::server {

// Thread-safe.
class Throughput {
 public:
  using Clock = std::function<std::chrono::steady_clock::time_point()>;

  static constexpr std::chrono::seconds kInterval{5};
  static constexpr std::size_t kIntervals = 60;

  explicit Throughput(Clock clock = std::chrono::steady_clock::now) : clock_(std::move(clock)) {}

  void Add(std::uint64_t bytes);

  // Bytes per second of the last kIntervals whole intervals, the oldest first.
  std::vector<double> BytesPerSecond() const;

 private:
  struct Interval {
    std::int64_t number = -1;
    std::uint64_t bytes = 0;
  };

  std::int64_t NumberNow() const { return clock_().time_since_epoch() / kInterval; }

  const Clock clock_;
  mutable std::mutex mutex_;
  std::array<Interval, kIntervals + 1> intervals_;
};

}  // namespace dcac::server

#endif  // DCAC_SERVER_TELEMETRY_THROUGHPUT_H_
