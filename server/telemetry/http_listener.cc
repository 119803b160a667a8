#include "server/telemetry/http_listener.h"

#include <httplib.h>
#include <sys/socket.h>

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"

namespace dcac::server {
namespace {

constexpr int kThreads = 2;
constexpr std::size_t kMaxWaitingConnections = 16;
constexpr std::chrono::seconds kTimeout{2};
constexpr std::size_t kMaxPayloadBytes = 1024;

// The library's own pool takes any number of connections, and a file descriptor for each; here accepting waits.
class BoundedPool final : public httplib::TaskQueue {
 public:
  BoundedPool() {
    for (int i = 0; i < kThreads; ++i) threads_.emplace_back([this] { Run(); });
  }

  void enqueue(std::function<void()> task) override {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return tasks_.size() < kMaxWaitingConnections; });
    tasks_.push_back(std::move(task));
    changed_.notify_all();
  }

  void shutdown() override {
    {
      const std::lock_guard lock(mutex_);
      ending_ = true;
    }
    changed_.notify_all();
    for (std::thread& thread : threads_) thread.join();
  }

 private:
  void Run() {
    std::unique_lock lock(mutex_);
    for (;;) {
      changed_.wait(lock, [this] { return ending_ || !tasks_.empty(); });
      if (tasks_.empty()) return;
      const std::function<void()> task = std::move(tasks_.front());
      tasks_.pop_front();
      changed_.notify_all();
      lock.unlock();
      task();
      lock.lock();
    }
  }

  std::mutex mutex_;  // guards all below but the threads
  std::condition_variable changed_;
  std::deque<std::function<void()>> tasks_;
  bool ending_ = false;
  std::vector<std::thread> threads_;
};

// By default a second server on the same port would start without an error and get some of the connections.
void SetSocketOptions(int socket) {
  const int on = 1;
  setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
}

void Fill(HttpResponse&& answer, httplib::Response& response) {
  response.status = answer.status;
  response.set_content(answer.body, answer.content_type);
  response.set_header("Cache-Control", "no-store");
  response.set_header("X-Content-Type-Options", "nosniff");
  response.set_header("Referrer-Policy", "no-referrer");
  // Nothing is loaded and nothing runs, whatever a page may have been made to hold.
  response.set_header("Content-Security-Policy",
                      "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; "
                      "form-action 'none'; frame-ancestors 'none'");
}

HttpResponse Answer(const httplib::Request& request, const HttpListener::Handler& handler) {
  if (request.method != "GET" && request.method != "HEAD") return {.status = 405, .body = "only GET is answered\n"};
  return handler({.path = request.path, .query = {request.params.begin(), request.params.end()}});
}

}  // namespace

struct HttpListener::Impl {
  absl::Status Listen(const std::string& host, int wanted_port) {
    port = wanted_port == 0 ? server.bind_to_any_port(host) : server.bind_to_port(host, wanted_port) ? wanted_port : -1;
    if (port < 0) return absl::UnavailableError(absl::StrCat("cannot listen on ", host, ":", wanted_port));
    thread = std::thread([this] {
      server.listen_after_bind();
      ended = true;
    });
    // Before it runs it cannot be stopped.
    while (!server.is_running() && !ended) std::this_thread::yield();
    return absl::OkStatus();
  }

  httplib::Server server;
  int port = -1;
  std::atomic<bool> ended{false};
  std::thread thread;
};

absl::StatusOr<std::unique_ptr<HttpListener>> HttpListener::Start(const std::string& host, int port, Handler handler) {
  auto impl = std::make_unique<Impl>();
  httplib::Server& server = impl->server;
  server.new_task_queue = [] { return new BoundedPool; };
  server.set_socket_options(SetSocketOptions);
  server.set_keep_alive_max_count(1);
  server.set_read_timeout(kTimeout);
  server.set_write_timeout(kTimeout);
  server.set_payload_max_length(kMaxPayloadBytes);
  // Before the library would read a body or match paths.
  server.set_pre_routing_handler(
      [handler = std::move(handler)](const httplib::Request& request, httplib::Response& response) {
        Fill(Answer(request, handler), response);
        if (response.status == 405) response.set_header("Allow", "GET, HEAD");
        return httplib::Server::HandlerResponse::Handled;
      });
  server.set_exception_handler([](const httplib::Request&, httplib::Response& response, std::exception_ptr) {
    Fill({.status = 500, .body = "internal error\n"}, response);
  });
  DCAC_RETURN_IF_ERROR(impl->Listen(host, port));
  return std::unique_ptr<HttpListener>(new HttpListener(std::move(impl)));
}

HttpListener::HttpListener(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

HttpListener::~HttpListener() {
  impl_->server.stop();
  impl_->thread.join();
}

int HttpListener::port() const {
  return impl_->port;
}

}  // namespace dcac::server
