// A server in this process: what the program dcac-server runs, and tests start.
#ifndef DCAC_SERVER_SERVER_H_
#define DCAC_SERVER_SERVER_H_

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "server/limits.h"
#include "server/metrics.h"
#include "server/notice.h"
#include "server/telemetry/log.h"

namespace dcac::server {

// Files in PEM; all empty: connections are plain text.  Unix sockets are so in any case.
struct TlsFiles {
  std::string certificate;  // and those that lead from it to the authority
  std::string key;
  std::string client_ca;  // clients must show a certificate of this authority; empty: they need none
};

// How connections are kept and ended.
struct ConnectionOptions {
  std::chrono::milliseconds keepalive_time{60'000};  // pings find peers that vanished
  std::chrono::milliseconds keepalive_timeout{20'000};
  std::chrono::milliseconds min_client_ping_interval{30'000};  // a client that pings more often is cut off
  std::chrono::milliseconds max_age{0};                        // then the client is told to connect anew; 0: never
  std::chrono::milliseconds max_age_grace{300'000};            // and its running calls are cut after this
  bool bdp_probe = true;                                       // windows grow with what the network holds
};

// Where objects are kept, and how.
struct StoreOptions {
  // local:FOLDER, s3:BUCKET[/PREFIX], memory: or none; empty: the program's default, of others none.
  std::string location;
  std::uint64_t capacity_bytes = 0;  // of stored bytes; beyond it the least recently used are evicted; 0: no bound
  std::uint64_t quota_bytes = 0;     // of each tenant; 0: no bound
  std::string fsync = "each";        // none, interval or each
  std::chrono::milliseconds fsync_interval{1000};
  std::chrono::milliseconds upload_ttl{24 * 3600 * 1000};
  std::uint64_t free_bytes = std::uint64_t{512} << 20;            // of the disk of a local store
  std::uint64_t scrub_bytes_per_second = std::uint64_t{8} << 20;  // 0: objects are not read again
  std::uint64_t cache_bytes = 0;                                  // of memory, for what was read; 0: no cache
  int threads = 16;                                               // that may wait for disks and networks
  std::string s3_endpoint;                                        // of s3:; empty: as the environment says
  std::string s3_region;                                          // of s3:; empty: as the environment says
};

// The settings of server/settings.h.
struct ServerOptions {
  std::vector<std::string> listen = {"127.0.0.1:50051"};  // unix:PATH or HOST:PORT; port 0 = any free one
  std::uint32_t unix_socket_mode = 0660;
  bool insecure = false;  // addresses that others reach need neither TLS nor authentication
  TlsFiles tls;
  std::string token_file;                             // server/token_file.h; empty: no tokens
  std::chrono::milliseconds reload_interval{60'000};  // after which files are looked at again; 0: on SIGHUP alone

  int threads = 0;  // that code segments; 0 = as many as there are processors
  Limits limits;
  std::chrono::milliseconds stream_idle_timeout{60'000};  // of a stream whose client neither sends nor reads
  ConnectionOptions connections;

  StoreOptions store;

  // Drain: how long the server still takes calls after it said that it is not serving, and then how long running calls
  // may take to end.
  std::chrono::milliseconds lame_duck{1000};
  std::chrono::milliseconds drain{30000};

  bool reflection = false;     // clients may ask for the contract
  bool channelz = false;       // clients may ask for what gRPC knows of its connections
  std::string metrics_listen;  // HOST:PORT for Prometheus and people; empty: none
  bool metrics_allow_remote = false;
  std::string log_level = "info";
  std::string log_format = "logfmt";

  Log* log = nullptr;  // no setting; must outlive the server; null: no log
};

class Server {
 public:
  // Errors: InvalidArgument (options, certificates, tokens) and those of reading files, AlreadyExists (another server
  // listens on a Unix socket), Unavailable (an address cannot be listened on).
  static absl::StatusOr<std::unique_ptr<Server>> Start(const ServerOptions& options);

  // Stops; calls that run are cut.
  ~Server();

  // Of `options`, those take effect whose Change is kOnReload.  One thread at a time, as the next two.
  void SetOptions(const ServerOptions& options);

  // Reads certificates and tokens again; a file that is not valid leaves what it gave before.  Connections and calls
  // that run stay as they are.  Returns what changed or went wrong, for the log.
  std::vector<Notice> ReloadFiles();

  // Stops as clients want it: reports NOT_SERVING, waits, takes no more calls, lets running calls end, cuts the rest.
  void Drain();

  std::vector<Notice> Warnings() const;               // of what is in use, for the log
  const std::vector<std::string>& addresses() const;  // that clients connect to, with the ports in use
  const std::string& metrics_address() const;         // with the port in use; empty: it does not listen
  int threads() const;
  const Metrics& metrics() const;

 private:
  struct Impl;
  explicit Server(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace dcac::server

#endif  // DCAC_SERVER_SERVER_H_
