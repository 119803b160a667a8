#include "server/telemetry/status_page.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

namespace dcac::server {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

const std::string kAttack = "<script>alert(1)</script>\"'&\xff";

StatusReport Report() {
  StatusReport report;
  report.build = {.version = "1.2.3", .revision = "abc123", .simd_target = "AVX2"};
  report.live = {.serving = true, .threads = 4, .budget_bytes = 1'000'000, .open_calls = 3, .max_calls = 256};
  report.live.reserved_bytes = 990'000;
  report.calls_by_code = {{"OK", 90}, {"DATA_LOSS", 10}};
  report.dtypes = {{.direction = "compress", .dtype = "u8", .calls = 2, .raw_bytes = 2000, .stored_bytes = 800}};
  report.received_per_second = {0, 500, 1000};
  CallRecord call;
  call.method = "Compress";
  call.caller = call.tenant = call.code = call.dtype = call.request_id = kAttack;
  call.duration = std::chrono::milliseconds(1234);
  report.slowest_calls = {call};
  report.addresses = {kAttack};
  report.settings = {{"listen", kAttack}};
  return report;
}

TEST(StatusPageTest, JsonHasAllNumbers) {
  const auto json = nlohmann::json::parse(StatusJson(Report()));
  EXPECT_EQ(json["version"], "1.2.3");
  EXPECT_EQ(json["open_calls"], 3);
  EXPECT_EQ(json["calls_by_code"]["DATA_LOSS"], 10);
  EXPECT_EQ(json["dtypes"][0]["stored_bytes"], 800);
  EXPECT_EQ(json["slowest_calls"][0]["duration_ms"], 1234.0);
  EXPECT_TRUE(json["slowest_calls"][0]["level"].is_null());
}

TEST(StatusPageTest, PageHasTheNumbers) {
  const std::string page = StatusHtml(Report(), std::chrono::seconds(0));
  EXPECT_THAT(page, HasSubstr("<data id=\"open_calls\" value=\"3\">3</data>"));
  EXPECT_THAT(page, HasSubstr("<b>2.500</b>")) << "the ratio";
  EXPECT_THAT(page, HasSubstr("class=\"bad\" style=\"width:99.0%\"")) << "the budget is nearly used up";
  EXPECT_THAT(page, HasSubstr("1.23 s"));
}

TEST(StatusPageTest, TextsFromOutsideAreHarmless) {
  const std::string page = StatusHtml(Report(), std::chrono::seconds(0));
  EXPECT_THAT(page, Not(HasSubstr("<script")));
  EXPECT_THAT(page, HasSubstr("&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39;&amp;\xef\xbf\xbd"));
}

TEST(StatusPageTest, EmptyReportHasAPage) {
  const std::string page = StatusHtml(StatusReport(), std::chrono::seconds(0));
  EXPECT_THAT(page, HasSubstr("draining"));
  EXPECT_THAT(page, HasSubstr("No call has ended yet"));
  EXPECT_THAT(page, Not(HasSubstr("http-equiv")));
  EXPECT_TRUE(nlohmann::json::accept(StatusJson(StatusReport())));
}

TEST(StatusPageTest, PageRefreshesWhenAsked) {
  EXPECT_THAT(StatusHtml(Report(), std::chrono::seconds(5)), HasSubstr("http-equiv=\"refresh\" content=\"5\""));
}

}  // namespace
}  // namespace dcac::server
