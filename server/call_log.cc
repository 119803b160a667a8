#include "server/call_log.h"

namespace dcac::server {
namespace {

LogLevel LevelOf(const CallRecord& call, std::optional<Refusal> refusal) {
  if (call.code == "INTERNAL" || call.code == "UNKNOWN") return LogLevel::kError;
  return refusal || call.code == "DATA_LOSS" ? LogLevel::kWarning : LogLevel::kInfo;
}

}  // namespace

void LogCall(Log& log, const CallRecord& call, std::optional<Refusal> refusal) {
  const LogLevel level = LevelOf(call, refusal);
  if (!log.Writes(level)) return;
  LogEvent event(level, "call");
  event.Text("request_id", call.request_id).Text("method", call.method).Text("code", call.code);
  event.Milliseconds("duration_ms", call.duration);
  if (refusal) event.Text("refused", RefusalName(*refusal));
  event.Text("tenant", call.tenant).Text("caller", call.caller).Text("peer", call.peer).Text("dtype", call.dtype);
  if (call.level) event.Number("codec_level", static_cast<std::uint64_t>(*call.level));
  event.Number("raw_bytes", call.raw_bytes).Number("stored_bytes", call.stored_bytes);
  if (call.trace) {
    event.Text("trace_id", call.trace->trace_id).Text("span_id", call.trace->span_id);
    event.Text("parent_id", call.trace->parent_id).Text("trace_flags", call.trace->flags);
    event.Text("tracestate", call.trace->state);
  }
  event.Text("message", call.message);
  if (refusal) {
    log.WriteLimited(RefusalName(*refusal), event);
  } else {
    log.Write(event);
  }
}

}  // namespace dcac::server
