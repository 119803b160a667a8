#include "server/store/s3_xml.h"

#include <gtest/gtest.h>

#include <string>

namespace dcac::store {
namespace {

TEST(S3Xml, ReadsListings) {
  const auto page = ParseListAnswer(
      "<?xml version=\"1.0\"?><ListBucketResult xmlns=\"http://s3\"><Name>b</Name><KeyCount>2</KeyCount>"
      "<IsTruncated>true</IsTruncated><Contents><Key>k/a&amp;b</Key><Size>12</Size><Owner><ID>x</ID></Owner></Contents>"
      "<Contents><ETag>&#34;e&#34;</ETag><Size>0</Size><Key>k/c</Key></Contents></ListBucketResult>");
  ASSERT_TRUE(page.ok()) << page.status();
  EXPECT_TRUE(page->more);
  ASSERT_EQ(page->entries.size(), 2u);
  EXPECT_EQ(page->entries[0].name, "k/a&b");
  EXPECT_EQ(page->entries[0].size_bytes, 12u);
  EXPECT_EQ(page->entries[1].name, "k/c");
}

TEST(S3Xml, RefusesWhatIsNoListing) {
  for (const char* text :
       {"", "<html>", "<ListBucketResult>", "<ListBucketResult><Contents></Contents></ListBucketResult>",
        "<ListBucketResult><Contents><Key>a</Key><Size>-1</Size></Contents></ListBucketResult>",
        "<ListBucketResult><Contents><Key>a</Key><Size>99999999999999999999</Size></Contents></ListBucketResult>",
        "<ListBucketResult><Contents><Key>&bad;</Key><Size>1</Size></Contents></ListBucketResult>",
        "<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>"}) {
    EXPECT_EQ(ParseListAnswer(text).status().code(), absl::StatusCode::kInternal) << text;
  }
}

TEST(S3Xml, ReadsErrors) {
  const S3Error error = ParseErrorAnswer("<Error><Code>SlowDown</Code><Message>wait\n</Message></Error>");
  EXPECT_EQ(error.code, "SlowDown");
  EXPECT_EQ(error.message, "wait?");
  EXPECT_EQ(ParseErrorAnswer("<Error><Code>NoSuchKey</Code></Error>").message, "");
  EXPECT_EQ(ParseErrorAnswer("<Error><Message>m</Message></Error>").message, "m");
  EXPECT_EQ(ParseErrorAnswer("<html>").code, "");
  EXPECT_LE(ParseErrorAnswer("<Message>" + std::string(5000, 'x') + "</Message>").message.size(), 200u);
}

TEST(S3Xml, TakesNoTextForACode) {
  for (const std::string& code : {std::string("no such bucket"), std::string("a/b"), std::string(5000, 'x')}) {
    EXPECT_EQ(ParseErrorAnswer("<Error><Code>" + code + "</Code></Error>").code, "") << code;
  }
}

}  // namespace
}  // namespace dcac::store
