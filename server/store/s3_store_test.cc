#include "server/store/s3_store.h"

#include <gmock/gmock.h>

#include <thread>
#include <utility>

#include "server/store/conformance.h"
#include "server/store/record.h"

namespace dcac::store {
namespace {

using std::chrono::milliseconds;
using ::testing::ElementsAre;

// A place of its own in the bucket that the environment names.
S3StoreOptions TestOptions() {
  auto options = S3StoreOptionsOf(ReadEnvironment("S3_BUCKET").value_or("") + "/test-" + RandomId(), ReadEnvironment);
  if (!options.ok()) {
    ADD_FAILURE() << options.status();
    return {};
  }
  options->sweep_interval = milliseconds(0);
  options->removal_delay = milliseconds(400);
  return *std::move(options);
}

absl::StatusOr<std::unique_ptr<BlockStore>> OpenEmpty(const StoreLimits& limits, TestClock& clock) {
  S3StoreOptions options = TestOptions();
  options.limits = limits;
  options.clock = clock.function();
  return OpenS3Store(std::move(options));
}

INSTANTIATE_TEST_SUITE_P(S3, StoreConformanceTest, ::testing::Values(Backend{"s3", OpenEmpty}));

// Without a server all is skipped.
class NeedsServer : public ::testing::Environment {
 public:
  void SetUp() override {
    if (!ReadEnvironment("AWS_ENDPOINT_URL") || !ReadEnvironment("S3_BUCKET")) {
      GTEST_SKIP() << "no S3 server in AWS_ENDPOINT_URL and S3_BUCKET";
    }
  }
};
const auto* const kNeedsServer = ::testing::AddGlobalTestEnvironment(new NeedsServer);

}  // namespace
}  // namespace dcac::store
