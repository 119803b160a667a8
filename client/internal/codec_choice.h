// Where Codec::kAuto lets a call run.
#ifndef DCAC_CLIENT_INTERNAL_CODEC_CHOICE_H_
#define DCAC_CLIENT_INTERNAL_CODEC_CHOICE_H_

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>

#include "dcac/client_options.h"
#include "dcac/tensor.h"

namespace dcac::client::internal {

// What decides how long a call takes.
struct CallKind {
  bool compresses = false;
  std::optional<DType> dtype;          // nothing: not known before the call
  int level = 0;                       // of compression
  std::optional<std::uint64_t> bytes;  // of the tensor; nothing: not known before the call
};

// Learns from calls, in classes of similar ones, how long a byte of a tensor takes in this process and at a server:
// there the codec, its waiting and the link together.  A class begins with a call to each place.  Then calls go where a
// byte took less time, as a moving average; one of 32, or fewer where the other place is much slower, goes to the other
// place, for either may change.  Knows no clock and no connection.  Thread-safe.
class CodecChoice {
 public:
  // kClient or kServer.
  Codec Choose(const CallKind& kind);

  // That a call of `kind`, which moved `bytes` of a tensor, took so long at `place`.
  void Record(const CallKind& kind, Codec place, std::uint64_t bytes, std::chrono::nanoseconds duration);

  // That a server could not do a call of `kind`: it counts as much slower until it is tried again.
  void RecordFailure(const CallKind& kind);

 private:
  struct Place {
    bool tried = false;
    bool failed = false;
    std::optional<double> cost;  // nanoseconds for a byte; of one that failed a guess
    void Add(double sample);
  };

  struct Class {
    Place client, server;
    int calls_since_other = 0;  // that went to the cheaper place
  };

  static constexpr std::size_t kDirections = 2, kWidths = 6, kLevels = 4, kSizes = 4;

  Class& ClassOf(const CallKind& kind);

  std::mutex mutex_;
  std::array<Class, kDirections * kWidths * kLevels * kSizes> classes_;
};

}  // namespace dcac::client::internal

#endif  // DCAC_CLIENT_INTERNAL_CODEC_CHOICE_H_
