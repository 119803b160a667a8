// The status of a server for people and for their scripts.
#ifndef DCAC_SERVER_TELEMETRY_STATUS_PAGE_H_
#define DCAC_SERVER_TELEMETRY_STATUS_PAGE_H_

#include <chrono>
#include <string>

#include "server/telemetry/status_report.h"

namespace dcac::server {

// One object; units are in the names of its members.
std::string StatusJson(const StatusReport& report);

// A page that loads nothing and runs nothing.  Each number of StatusJson's top level that it shows is a <data> element
// with the member's name as id and the number as value.  `refresh`: after which the browser loads it anew; 0: never.
std::string StatusHtml(const StatusReport& report, std::chrono::seconds refresh);

}  // namespace dcac::server

#endif  // DCAC_SERVER_TELEMETRY_STATUS_PAGE_H_
