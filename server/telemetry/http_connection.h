// One request and its answer over a connection.
#ifndef DCAC_SERVER_TELEMETRY_HTTP_CONNECTION_H_
#define DCAC_SERVER_TELEMETRY_HTTP_CONNECTION_H_

#include <functional>

#include "server/telemetry/http_message.h"

namespace dcac::server {

using HttpHandler = std::function<HttpResponse(const HttpRequest&)>;

// Reads a request of at most 8 KiB from the non-blocking `socket` and writes what `handler` answers to GET and HEAD; a
// few seconds for each, however slow the other side is, and no longer than until `stop` is readable.
void ServeHttpConnection(int socket, int stop, const HttpHandler& handler);

}  // namespace dcac::server

#endif  // DCAC_SERVER_TELEMETRY_HTTP_CONNECTION_H_
