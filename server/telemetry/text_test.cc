#include "server/telemetry/text.h"

#include <gtest/gtest.h>

#include <string>

#include "server/telemetry/human.h"

namespace dcac::server {
namespace {

using std::chrono::milliseconds;

TEST(TextTest, HtmlIsHarmless) {
  EXPECT_EQ(HtmlText("plain"), "plain");
  EXPECT_EQ(HtmlText("<script>'&\""), "&lt;script&gt;&#39;&amp;&quot;");
  EXPECT_EQ(HtmlText("caf\xc3\xa9"), "caf\xc3\xa9");
  EXPECT_EQ(HtmlText(std::string("\0\n\xff", 3)), "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
}

TEST(TextTest, JsonIsAscii) {
  EXPECT_EQ(JsonString("a\"\\\n\x01"), R"("a\"\\\n\u0001")");
  EXPECT_EQ(JsonString("\xc3\xa9\xff"), R"("\u00e9\ufffd")");
}

TEST(HumanTest, BytesHaveThreeDigits) {
  EXPECT_EQ(HumanBytes(0), "0 B");
  EXPECT_EQ(HumanBytes(999), "999 B");
  EXPECT_EQ(HumanBytes(1250), "1.25 kB");
  EXPECT_EQ(HumanBytes(123'456'789), "123 MB");
  EXPECT_EQ(HumanBytes(999'900), "1.00 MB");
  EXPECT_EQ(HumanBytes(1.5e18), "1.50 EB");
  EXPECT_EQ(HumanBytes(1.8e19), "18.0 EB");
}

TEST(HumanTest, CountsHaveGroups) {
  EXPECT_EQ(HumanCount(0), "0");
  EXPECT_EQ(HumanCount(999), "999");
  EXPECT_EQ(HumanCount(1234567), "1,234,567");
}

TEST(HumanTest, DurationsHaveFittingUnits) {
  EXPECT_EQ(HumanDuration(std::chrono::microseconds(420)), "0.42 ms");
  EXPECT_EQ(HumanDuration(milliseconds(12'500)), "12.5 s");
  EXPECT_EQ(HumanDuration(std::chrono::minutes(59)), "59 min");
  EXPECT_EQ(HumanDuration(std::chrono::minutes(125)), "2 h 5 min");
  EXPECT_EQ(HumanDuration(std::chrono::hours(75)), "3 d 3 h");
}

}  // namespace
}  // namespace dcac::server
