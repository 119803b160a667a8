// W3C Trace Context: to which trace of the client's a call belongs.
#ifndef DCAC_SERVER_TELEMETRY_TRACE_CONTEXT_H_
#define DCAC_SERVER_TELEMETRY_TRACE_CONTEXT_H_

#include <optional>
#include <string>
#include <string_view>

namespace dcac::server {

// In lower-case hexadecimal digits, as they are written everywhere.
struct TraceContext {
  std::string trace_id;   // 32 digits
  std::string parent_id;  // 16: the client's span
  std::string span_id;    // 16: this server's span, a child of it
  std::string flags;      // 2: bit 0 says that the client records the trace
  std::string state;      // tracestate as it came; empty: none, or not fit to be written down
};

// Of the metadata "traceparent" and "tracestate"; the span is a new one.  Versions that are not known yet are read as
// far as version 00 goes, as the recommendation wants it.  Nothing: `traceparent` is missing or not valid, and then
// `tracestate` means nothing either.
std::optional<TraceContext> ParseTraceContext(std::string_view traceparent, std::string_view tracestate);

// 16 hexadecimal digits, unlikely to be given twice by this server or another; not all zero.
std::string NewId();

}  // namespace dcac::server

#endif  // DCAC_SERVER_TELEMETRY_TRACE_CONTEXT_H_
