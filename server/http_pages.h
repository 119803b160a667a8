// What the metrics listener answers: /metrics, /healthz, /statusz.
#ifndef DCAC_SERVER_HTTP_PAGES_H_
#define DCAC_SERVER_HTTP_PAGES_H_

#include "server/metrics.h"
#include "server/status_reader.h"
#include "server/telemetry/http_listener.h"

namespace dcac::server {

// Thread-safe.  What its constructor gets must outlive it.
class HttpPages {
 public:
  HttpPages(const Metrics& metrics, const StatusReader& reader) : metrics_(metrics), reader_(reader) {}

  HttpResponse Answer(const HttpRequest& request) const;

 private:
  HttpResponse MetricsPage() const;
  HttpResponse HealthPage() const;
  HttpResponse StatusPage(const HttpRequest& request) const;

  const Metrics& metrics_;
  const StatusReader& reader_;
};

}  // namespace dcac::server

#endif  // DCAC_SERVER_HTTP_PAGES_H_
