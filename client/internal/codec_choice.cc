#include "client/internal/codec_choice.h"

#include <algorithm>
#include <bit>

namespace dcac::client::internal {
namespace {

// The weight of the latest call in an average.
constexpr double kWeight = 0.25;

// How many calls the cheaper place gets before the other is tried again, times how much dearer that is, within bounds:
// trying costs about as much everywhere.
constexpr int kCallsBetweenTrials = 32;
constexpr double kMostDearer = 32;

// What a server that fails counts as, beside this process.
constexpr double kFailureCost = 8;

// 1, 2, 4, 8 and 16 bytes, and unknown.
std::size_t WidthClass(const std::optional<DType>& dtype) {
  constexpr std::size_t kUnknown = 5;
  const std::size_t bytes = dtype ? SampleBytes(*dtype) : 0;
  return bytes == 0 ? kUnknown : static_cast<std::size_t>(std::countr_zero(bytes));
}

// Levels whose encoders are as fast, roughly.
std::size_t LevelClass(int level) {
  constexpr int kFast = 2, kDefault = 5, kDense = 7;
  return level <= kFast ? 0 : level <= kDefault ? 1 : level <= kDense ? 2 : 3;
}

std::size_t SizeClass(const std::optional<std::uint64_t>& bytes) {
  constexpr std::uint64_t kSmall = 64u << 10, kMedium = 1u << 20;
  if (!bytes) return 3;
  return *bytes <= kSmall ? 0 : *bytes <= kMedium ? 1 : 2;
}

}  // namespace

void CodecChoice::Place::Add(double sample) {
  cost = cost && !failed ? *cost + kWeight * (sample - *cost) : sample;
  failed = false;
}

CodecChoice::Class& CodecChoice::ClassOf(const CallKind& kind) {
  std::size_t index = kind.compresses ? 1 : 0;
  index = index * kWidths + WidthClass(kind.dtype);
  index = index * kLevels + LevelClass(kind.level);
  return classes_[index * kSizes + SizeClass(kind.bytes)];
}

Codec CodecChoice::Choose(const CallKind& kind) {
  const std::lock_guard lock(mutex_);
  Class& calls = ClassOf(kind);
  for (Place* place : {&calls.client, &calls.server}) {
    if (place->tried) continue;
    place->tried = true;
    return place == &calls.client ? Codec::kClient : Codec::kServer;
  }
  // Until both are known, where it is sure to work.
  if (!calls.client.cost || !calls.server.cost) return Codec::kClient;
  const bool server_is_cheaper = *calls.server.cost < *calls.client.cost;
  const double low = std::min(*calls.server.cost, *calls.client.cost);
  const double high = std::max(*calls.server.cost, *calls.client.cost);
  const double dearer = high >= kMostDearer * low ? kMostDearer : high / low;
  const bool tries_other = ++calls.calls_since_other > kCallsBetweenTrials * dearer;
  if (tries_other) calls.calls_since_other = 0;
  return server_is_cheaper != tries_other ? Codec::kServer : Codec::kClient;
}

void CodecChoice::Record(const CallKind& kind, Codec place, std::uint64_t bytes, std::chrono::nanoseconds duration) {
  const double cost = static_cast<double>(duration.count()) / static_cast<double>(std::max<std::uint64_t>(bytes, 1));
  const std::lock_guard lock(mutex_);
  Class& calls = ClassOf(kind);
  (place == Codec::kServer ? calls.server : calls.client).Add(cost);
}

void CodecChoice::RecordFailure(const CallKind& kind) {
  const std::lock_guard lock(mutex_);
  Class& calls = ClassOf(kind);
  calls.server.failed = true;
  calls.server.cost = std::max(calls.server.cost.value_or(0), kFailureCost * calls.client.cost.value_or(1));
}

}  // namespace dcac::client::internal
