// Peak resident memory of a piece of work in this process.
#ifndef DCAC_CLIENT_CLI_BENCH_PEAK_MEMORY_H_
#define DCAC_CLIENT_CLI_BENCH_PEAK_MEMORY_H_

#include <cstdint>
#include <optional>

namespace dcac::cli {

class PeakMemory {
 public:
  // Returns free memory to the system and begins to measure.
  PeakMemory();

  // How much more memory was resident at the peak since then than at the beginning; nothing where the system does not
  // tell.
  std::optional<std::uint64_t> Bytes() const;

 private:
  std::optional<std::uint64_t> start_bytes_;
};

}  // namespace dcac::cli

#endif  // DCAC_CLIENT_CLI_BENCH_PEAK_MEMORY_H_
