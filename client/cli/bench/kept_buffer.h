// Memory of a codec that is benched: it grows and never shrinks.
#ifndef DCAC_CLIENT_CLI_BENCH_KEPT_BUFFER_H_
#define DCAC_CLIENT_CLI_BENCH_KEPT_BUFFER_H_

#include <cstddef>
#include <span>
#include <vector>

namespace dcac::cli {

class KeptBuffer {
 public:
  // At least `bytes` long; what it held is lost.
  std::span<std::byte> Get(std::size_t bytes) {
    if (memory_.size() < bytes) memory_.resize(bytes);
    return std::span(memory_).first(bytes);
  }

 private:
  std::vector<std::byte> memory_;
};

}  // namespace dcac::cli

#endif  // DCAC_CLIENT_CLI_BENCH_KEPT_BUFFER_H_
