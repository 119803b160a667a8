#include "server/admission.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "proto/wire/retry_info.h"

namespace dcac::server {
namespace {

using std::chrono::milliseconds;

class AdmissionTest : public ::testing::Test {
 protected:
  Admission::Ticket Enter(const std::string& caller, const std::string& tenant = "") {
    absl::StatusOr<Admission::Ticket> ticket = admission_.Enter({.tenant = tenant, .caller = caller});
    EXPECT_TRUE(ticket.ok()) << ticket.status();
    return *std::move(ticket);
  }

  // Whether a caller gets `bytes`; it keeps them.
  bool Gets(const std::string& caller, std::uint64_t bytes, const std::string& tenant = "") {
    Admission::Ticket ticket = Enter(caller, tenant);
    last_ = ticket.Hold(bytes);
    if (last_.ok()) tickets_.push_back({caller, std::move(ticket)});
    return last_.ok();
  }

  void GiveBack(const std::string& caller) {
    std::vector<std::pair<std::string, Admission::Ticket>> kept;
    for (auto& [name, ticket] : tickets_) {
      if (name != caller) kept.emplace_back(name, std::move(ticket));
    }
    tickets_.swap(kept);
  }

  std::chrono::steady_clock::time_point now_{};
  Admission admission_{{.budget_bytes = 100, .max_calls = 8}, [this] { return now_; }};
  std::vector<std::pair<std::string, Admission::Ticket>> tickets_;
  absl::Status last_;
};

TEST_F(AdmissionTest, CallsBeyondTheCapAreRefusedWithAdvice) {
  std::vector<Admission::Ticket> tickets;
  for (int i = 0; i < 8; ++i) tickets.push_back(Enter("a"));
  const absl::Status refused = admission_.Enter({.caller = "b"}).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_TRUE(wire::RetryDelay(refused).has_value());
  tickets.pop_back();
  EXPECT_FALSE(admission_.Enter({.caller = "a"}).ok()) << "the place is that of b, which came first";
  EXPECT_TRUE(admission_.Enter({.caller = "b"}).ok());
  EXPECT_TRUE(admission_.Enter({.caller = "a"}).ok());
  EXPECT_EQ(admission_.open_calls(), 7u) << "refusals and ended calls free their places";
}

TEST_F(AdmissionTest, SomeCallsEnterInAnyCase) {
  std::vector<Admission::Ticket> tickets;
  for (int i = 0; i < 8; ++i) tickets.push_back(Enter("a"));
  tickets.push_back(admission_.EnterInAnyCase({.caller = "operator"}));
  EXPECT_EQ(admission_.open_calls(), 9u);
}

TEST_F(AdmissionTest, BytesBeyondTheBudgetAreRefusedWithAdvice) {
  EXPECT_TRUE(Gets("a", 60));
  EXPECT_FALSE(Gets("b", 41));
  EXPECT_EQ(last_.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_TRUE(wire::RetryDelay(last_).has_value());
  EXPECT_EQ(admission_.held_bytes(), 60u);
  GiveBack("a");
  EXPECT_EQ(admission_.held_bytes(), 0u);
  EXPECT_TRUE(Gets("b", 41));
}

TEST_F(AdmissionTest, MoreThanTheWholeBudgetIsRefusedForGood) {
  EXPECT_FALSE(Gets("a", 101));
  EXPECT_EQ(last_.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(wire::RetryDelay(last_), std::nullopt);
  EXPECT_EQ(admission_.waiting_callers(), 0u);
}

TEST_F(AdmissionTest, HoldGrowsAndNeverShrinks) {
  Admission::Ticket ticket = Enter("a");
  EXPECT_TRUE(ticket.Hold(30).ok());
  EXPECT_TRUE(ticket.Hold(10).ok());
  EXPECT_EQ(admission_.held_bytes(), 30u);
  EXPECT_TRUE(ticket.Hold(100).ok());
  EXPECT_FALSE(ticket.Hold(101).ok());
  EXPECT_EQ(admission_.held_bytes(), 100u);
}

TEST_F(AdmissionTest, RoomIsKeptForWhoCameFirst) {
  EXPECT_TRUE(Gets("a", 60));
  EXPECT_FALSE(Gets("large", 80));
  EXPECT_FALSE(Gets("small", 30)) << "however small: else a large call never finds room";
  GiveBack("a");
  EXPECT_FALSE(Gets("small", 30));
  EXPECT_TRUE(Gets("large", 80));
  EXPECT_FALSE(Gets("small", 30));
  GiveBack("large");
  EXPECT_TRUE(Gets("small", 30));
}

TEST_F(AdmissionTest, PlaceOfWhoDoesNotComeBackExpires) {
  EXPECT_TRUE(Gets("a", 60));
  EXPECT_FALSE(Gets("gone", 80));
  EXPECT_FALSE(Gets("b", 30));
  now_ += milliseconds(5000);
  EXPECT_TRUE(Gets("b", 30));
  EXPECT_EQ(admission_.waiting_callers(), 0u);
}

TEST_F(AdmissionTest, WhoIsFurtherBackIsToComeBackLater) {
  EXPECT_TRUE(Gets("a", 100));
  milliseconds before{0};
  for (const char* const caller : {"b", "c", "d"}) {
    EXPECT_FALSE(Gets(caller, 10));
    EXPECT_GT(wire::RetryDelay(last_).value(), before);
    before = wire::RetryDelay(last_).value();
  }
}

TEST_F(AdmissionTest, TenantsShareEquallyWhileTheyCompete) {
  EXPECT_TRUE(Gets("a1", 40, "greedy"));
  EXPECT_TRUE(Gets("a2", 40, "greedy")) << "nobody competes yet";
  EXPECT_FALSE(Gets("b", 40, "modest"));
  GiveBack("a1");
  EXPECT_FALSE(Gets("a3", 20, "greedy")) << "40 + 20 is more than half of the budget";
  EXPECT_TRUE(Gets("b", 40, "modest"));
}

TEST_F(AdmissionTest, ManyNamesOfATenantDoNotKeepOthersOut) {
  EXPECT_TRUE(Gets("a", 100, "greedy"));
  for (int i = 0; i < 20; ++i) EXPECT_FALSE(Gets("a" + std::to_string(i), 50, "greedy"));
  EXPECT_FALSE(Gets("b", 50, "modest"));
  GiveBack("a");
  EXPECT_TRUE(Gets("b", 50, "modest")) << "those before it have a right to half of the budget alone";
}

TEST_F(AdmissionTest, NewLimitsCountForWhatIsAskedFromThenOn) {
  EXPECT_TRUE(Gets("a", 100));
  admission_.SetLimits({.budget_bytes = 50, .max_calls = 100});
  EXPECT_FALSE(Gets("b", 10)) << "what is held exceeds the budget";
  GiveBack("a");
  EXPECT_TRUE(Gets("b", 50));
  EXPECT_FALSE(Gets("c", 10));
  admission_.SetLimits({.budget_bytes = 100, .max_calls = 100});
  EXPECT_TRUE(Gets("c", 10));
}

TEST_F(AdmissionTest, LineIsBounded) {
  EXPECT_TRUE(Gets("a", 100));
  for (int i = 0; i < 1000; ++i) EXPECT_FALSE(Gets(std::to_string(i), 50));
  EXPECT_LE(admission_.waiting_callers(), 256u);
}

}  // namespace
}  // namespace dcac::server
