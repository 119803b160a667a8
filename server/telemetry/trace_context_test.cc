#include "server/telemetry/trace_context.h"

#include <gtest/gtest.h>

#include <string>

namespace dcac::server {
namespace {

const std::string kTrace = "4bf92f3577b34da6a3ce929d0e0e4736";
const std::string kParent = "00f067aa0ba902b7";

std::string Traceparent(const std::string& version = "00", const std::string& trace = kTrace,
                        const std::string& parent = kParent, const std::string& flags = "01") {
  return version + "-" + trace + "-" + parent + "-" + flags;
}

TEST(TraceContextTest, PartsAreRead) {
  const auto context = ParseTraceContext(Traceparent(), "vendor=value,other=1");
  ASSERT_TRUE(context);
  EXPECT_EQ(context->trace_id, kTrace);
  EXPECT_EQ(context->parent_id, kParent);
  EXPECT_EQ(context->flags, "01");
  EXPECT_EQ(context->state, "vendor=value,other=1");
  EXPECT_EQ(context->span_id.size(), 16u);
  EXPECT_NE(context->span_id, kParent);
  EXPECT_NE(context->span_id, ParseTraceContext(Traceparent(), "")->span_id);
}

TEST(TraceContextTest, LaterVersionsMayBeLonger) {
  EXPECT_TRUE(ParseTraceContext(Traceparent("01"), ""));
  EXPECT_TRUE(ParseTraceContext(Traceparent("cc") + "-what-comes-later", ""));
  EXPECT_FALSE(ParseTraceContext(Traceparent("cc") + "x", ""));
  EXPECT_FALSE(ParseTraceContext(Traceparent("00") + "-more", ""));
}

TEST(TraceContextTest, WhatIsNotValidIsNothing) {
  EXPECT_FALSE(ParseTraceContext("", ""));
  EXPECT_FALSE(ParseTraceContext(Traceparent("ff"), ""));
  EXPECT_FALSE(ParseTraceContext(Traceparent("0g"), ""));
  EXPECT_FALSE(ParseTraceContext(Traceparent("00", std::string(32, '0')), ""));
  EXPECT_FALSE(ParseTraceContext(Traceparent("00", kTrace, std::string(16, '0')), ""));
  EXPECT_FALSE(ParseTraceContext(Traceparent("00", "4BF92F3577B34DA6A3CE929D0E0E4736"), ""));
  EXPECT_FALSE(ParseTraceContext(Traceparent("00", kTrace, kParent, "0x"), ""));
  for (std::size_t size = 0; size < Traceparent().size(); ++size) {
    EXPECT_FALSE(ParseTraceContext(Traceparent().substr(0, size), "")) << size;
  }
}

TEST(TraceContextTest, StateIsBounded) {
  EXPECT_EQ(ParseTraceContext(Traceparent(), std::string(512, 'a'))->state.size(), 512u);
  EXPECT_EQ(ParseTraceContext(Traceparent(), std::string(513, 'a'))->state, "");
  EXPECT_EQ(ParseTraceContext(Traceparent(), "a\nb")->state, "");
}

}  // namespace
}  // namespace dcac::server
