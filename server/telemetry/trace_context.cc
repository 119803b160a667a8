#include "server/telemetry/trace_context.h"

#include <algorithm>
#include <cstddef>
#include <random>

#include "absl/strings/str_format.h"

namespace dcac::server {
namespace {

// version-trace_id-parent_id-flags
constexpr std::size_t kLength = 55;
constexpr std::size_t kMaxStateLength = 512;

bool IsHex(std::string_view text) {
  return text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}
bool IsZero(std::string_view text) {
  return text.find_first_not_of('0') == std::string_view::npos;
}
bool IsPrintable(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c >= ' ' && c <= '~'; });
}

bool IsTraceparent(std::string_view text) {
  if (text.size() < kLength || text[2] != '-' || text[35] != '-' || text[52] != '-') return false;
  const std::string_view version = text.substr(0, 2);
  if (!IsHex(version) || version == "ff") return false;
  if (text.size() > kLength && (version == "00" || text[kLength] != '-')) return false;
  const std::string_view trace_id = text.substr(3, 32), parent_id = text.substr(36, 16);
  return IsHex(trace_id) && !IsZero(trace_id) && IsHex(parent_id) && !IsZero(parent_id) && IsHex(text.substr(53, 2));
}

}  // namespace

std::optional<TraceContext> ParseTraceContext(std::string_view traceparent, std::string_view tracestate) {
  if (!IsTraceparent(traceparent)) return std::nullopt;
  TraceContext context;
  context.trace_id = traceparent.substr(3, 32);
  context.parent_id = traceparent.substr(36, 16);
  context.span_id = NewId();
  context.flags = traceparent.substr(53, 2);
  if (tracestate.size() <= kMaxStateLength && IsPrintable(tracestate)) context.state = tracestate;
  return context;
}

std::string NewId() {
  thread_local std::mt19937_64 random{std::random_device{}()};
  std::uint64_t id = 0;
  while (id == 0) id = random();
  return absl::StrFormat("%016x", id);
}

}  // namespace dcac::server
