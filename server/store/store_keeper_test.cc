#include "server/store/store_keeper.h"

#include <chrono>
#include <future>
#include <memory>
#include <new>
#include <utility>

#include "server/store/local_fixture.h"
#include "server/store/metered_store.h"

namespace dcac::store {
namespace {

// Has no memory at first.
class ThrowingMeter : public StoreMeter {
 public:
  void OnStoreCall(StoreVerb verb, absl::StatusCode, std::chrono::nanoseconds) override {
    if (verb != StoreVerb::kMaintain) return;
    ++calls_;
    if (calls_ == 1) throw std::bad_alloc();
    if (calls_ == 2) called_again_.set_value();
  }

  std::future<void> called_again() { return called_again_.get_future(); }

 private:
  int calls_ = 0;
  std::promise<void> called_again_;
};

class StoreKeeperTest : public LocalStoreTest {};

TEST_F(StoreKeeperTest, GoesOnAfterAnException) {
  Open();
  ThrowingMeter meter;
  const auto store = MakeMeteredStore(std::move(store_), meter);
  absl::Status told;
  auto called_again = meter.called_again();
  {
    StoreKeeperOptions options{.period = std::chrono::milliseconds(1)};
    // The report of it fails too.
    options.on_error = [&](const absl::Status& error) {
      told = error;
      throw std::bad_alloc();
    };
    const StoreKeeper keeper(*store, std::move(options));
    EXPECT_EQ(called_again.wait_for(std::chrono::seconds(60)), std::future_status::ready);
  }
  EXPECT_EQ(told.code(), absl::StatusCode::kInternal);
}

}  // namespace
}  // namespace dcac::store
