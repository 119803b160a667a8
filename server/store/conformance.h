// What every backend must do: a suite that each of them instantiates with stores of its own.
#ifndef DCAC_SERVER_STORE_CONFORMANCE_H_
#define DCAC_SERVER_STORE_CONFORMANCE_H_

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "server/store/block_store.h"

namespace dcac::store {

// A clock that tests turn.
class TestClock {
 public:
  Time now() const { return now_; }
  void Advance(std::chrono::milliseconds duration) { now_ += duration; }
  std::function<Time()> function() {
    return [this] { return now(); };
  }

 private:
  Time now_{std::chrono::milliseconds(1'700'000'000'000)};
};

struct Backend {
  std::string name;
  // An empty store with these limits, on this clock.
  std::function<absl::StatusOr<std::unique_ptr<BlockStore>>(const StoreLimits& limits, TestClock& clock)> open;
};

inline std::ostream& operator<<(std::ostream& out, const Backend& backend) {
  return out << backend.name;
}

class StoreConformanceTest : public ::testing::TestWithParam<Backend> {
 protected:
  void Open(const StoreLimits& limits = {});

  // All in one go.
  absl::StatusOr<BlockInfo> Put(const std::string& key, std::string_view bytes, PutOptions options = {});
  // The bytes of a block, however its reading ends.
  absl::StatusOr<std::string> Get(const std::string& key);
  absl::StatusOr<BlockInfo> Stat(const std::string& key);
  absl::Status Delete(const std::string& key);
  std::vector<std::string> Keys(const std::string& prefix);

  TestClock clock_;
  std::unique_ptr<BlockStore> store_;
  const CallControl control_;
};

// Bytes that do not repeat soon.
std::string SomeBytes(std::size_t size, unsigned seed = 1);

}  // namespace dcac::store

#endif  // DCAC_SERVER_STORE_CONFORMANCE_H_
