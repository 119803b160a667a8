// The line that the log has of each call.
#ifndef DCAC_SERVER_CALL_LOG_H_
#define DCAC_SERVER_CALL_LOG_H_

#include <optional>

#include "server/call_info.h"
#include "server/telemetry/call_record.h"
#include "server/telemetry/log.h"

namespace dcac::server {

// Refused calls, which cost their maker nothing, are limited by reason.
void LogCall(Log& log, const CallRecord& call, std::optional<Refusal> refusal);

}  // namespace dcac::server

#endif  // DCAC_SERVER_CALL_LOG_H_
