// How a client reaches its servers, and what a single call may be told.
#ifndef DCAC_CLIENT_OPTIONS_H_
#define DCAC_CLIENT_OPTIONS_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

namespace dcac::client {

namespace internal {
class CancelState;
}  // namespace internal

// Where tensors are compressed and restored.  Frames are the same bytes everywhere.
enum class Codec {
  kClient,  // in this process: no tensor crosses the network, and no server is asked
  kServer,  // by the server
  kAuto,    // where a call like this one takes less time, which earlier calls tell; here where the servers fail
};

// Files are PEM and are read once, by Connect.
struct TlsOptions {
  std::string ca_file;           // certificates that a server's may be signed with; empty: those of the system
  std::string certificate_file;  // of this client, with key_file, for servers that ask for it
  std::string key_file;
  std::string server_name;  // in the server's certificate; empty: the host of the target
};

// Calls are repeated only where nothing of their output was handed to the caller yet and their input can be read again
// from its start.  That makes sense after UNAVAILABLE, after CANCELLED of a server that shuts down, and after
// RESOURCE_EXHAUSTED with google.rpc.RetryInfo, whose delay is kept.
struct RetryOptions {
  int max_attempts = 5;  // the first one among them; 1: no call is repeated
  // Before attempt n + 1 passes a random time up to initial_backoff * 2^(n - 1), at most max_backoff.
  std::chrono::milliseconds initial_backoff{50};
  std::chrono::milliseconds max_backoff{2000};
  // Where no server is connected, the next attempt waits for one, in all attempts together at most so long; a transfer
  // that has got further since may wait as long again, and has all its attempts again.
  std::chrono::milliseconds reconnect_timeout{2000};
};

struct ClientOptions {
  static constexpr std::size_t kMaxChunkBytes = 1u << 20;
  static constexpr int kMaxConnections = 64;
  static constexpr int kMaxAsyncThreads = 256;

  std::chrono::milliseconds connect_timeout{5000};          // of Connect
  std::chrono::milliseconds deadline{0};                    // of each call as a whole, repetitions included; 0 = none
  std::size_t chunk_bytes = 512u << 10;                     // sent in one message, 1 .. kMaxChunkBytes
  std::size_t max_message_bytes = 8u << 20;                 // largest message that is received
  std::uint64_t max_tensor_bytes = std::uint64_t{1} << 40;  // largest tensor that is restored

  Codec codec = Codec::kClient;

  std::optional<TlsOptions> tls;  // nothing: plain text
  // Sent as a bearer token with every call; of a file, the content without white space around it.  Over plain text to
  // another machine it would be there to read, so that Connect refuses that unless allow_insecure_token.
  std::string token;
  std::string token_file;  // read by Connect
  bool allow_insecure_token = false;
  std::string tenant;  // that the token must belong to; empty: whatever it belongs to
  std::string caller;  // among which servers share their memory, at most 64 characters; empty: a random name

  int connections = 1;  // to each target, 1 .. kMaxConnections; calls go round
  RetryOptions retry;

  int async_threads = 0;              // that run asynchronous calls, 0 .. kMaxAsyncThreads; 0: one for each processor
  std::size_t max_async_calls = 256;  // that wait for such a thread; more are ResourceExhausted
};

// Ends calls from outside.  Copies stand for the same thing.  Thread-safe.
class CancelToken {
 public:
  CancelToken();

  // Calls that got this token, now or later, end with Cancelled: within one segment's work.
  void Cancel() const;
  bool cancelled() const;

 private:
  friend class internal::CancelState;
  std::shared_ptr<internal::CancelState> state_;
};

// Of a single call.
struct CallOptions {
  std::optional<std::chrono::milliseconds> deadline;  // nothing: ClientOptions::deadline; 0 = none
  CancelToken cancel;
  std::optional<Codec> codec;  // nothing: ClientOptions::codec
  std::string traceparent;     // W3C Trace Context, passed on to the server's log; empty: none
};

}  // namespace dcac::client

#endif  // DCAC_CLIENT_OPTIONS_H_
