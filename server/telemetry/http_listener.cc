#include "server/telemetry/http_listener.h"

#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"

namespace dcac::server {
namespace {

constexpr int kBacklog = 16;
constexpr int kPauseMs = 100;

struct FreeAddresses {
  void operator()(addrinfo* addresses) const { freeaddrinfo(addresses); }
};

// Of a socket that listens there; -1: it cannot.
int ListenAt(const addrinfo& address) {
  const int listener = socket(address.ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (listener < 0) return -1;
  const int on = 1;
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(listener, address.ai_addr, address.ai_addrlen) == 0 && listen(listener, kBacklog) == 0) return listener;
  const int error = errno;
  close(listener);
  errno = error;
  return -1;
}

int PortOf(int listener) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size) != 0) return 0;
  return ntohs(address.ss_family == AF_INET6 ? reinterpret_cast<const sockaddr_in6&>(address).sin6_port
                                             : reinterpret_cast<const sockaddr_in&>(address).sin_port);
}

}  // namespace

absl::StatusOr<std::unique_ptr<HttpListener>> HttpListener::Start(const std::string& host, int port,
                                                                  HttpHandler handler) {
  const std::string text = absl::StrCat(host, ":", port);
  const addrinfo hints{.ai_flags = AI_PASSIVE | AI_NUMERICSERV, .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
  addrinfo* found = nullptr;
  const int error = getaddrinfo(host.empty() ? nullptr : host.c_str(), std::to_string(port).c_str(), &hints, &found);
  if (error != 0) return absl::UnavailableError(absl::StrCat("cannot listen on ", text, ": ", gai_strerror(error)));
  const std::unique_ptr<addrinfo, FreeAddresses> addresses(found);
  for (const addrinfo* address = found; address != nullptr; address = address->ai_next) {
    const int listener = ListenAt(*address);
    if (listener < 0) continue;
    const int stop = eventfd(0, EFD_CLOEXEC);
    return std::unique_ptr<HttpListener>(new HttpListener(listener, PortOf(listener), stop, std::move(handler)));
  }
  return absl::UnavailableError(absl::StrCat("cannot listen on ", text, ": ", std::system_category().message(errno)));
}

HttpListener::HttpListener(int socket, int port, int stop, HttpHandler handler)
    : socket_(socket), port_(port), stop_(stop), handler_(std::move(handler)) {
  for (std::thread& thread : threads_) thread = std::thread([this] { Run(); });
}

HttpListener::~HttpListener() {
  eventfd_write(stop_, 1);
  for (std::thread& thread : threads_) thread.join();
  close(stop_);
  close(socket_);
}

void HttpListener::Run() const {
  std::array<pollfd, 2> descriptors = {
      {{.fd = socket_, .events = POLLIN, .revents = 0}, {.fd = stop_, .events = POLLIN, .revents = 0}}};
  while (true) {
    if (poll(descriptors.data(), descriptors.size(), -1) < 0 && errno != EINTR) return;
    if (descriptors[1].revents != 0) return;
    const int connection = accept4(socket_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (connection < 0) {
      // The other thread was faster, or the client has gone; otherwise there is no room for it, which takes a while.
      if (errno != EAGAIN && errno != ECONNABORTED && errno != EINTR) poll(&descriptors[1], 1, kPauseMs);
      continue;
    }
    ServeHttpConnection(connection, stop_, handler_);
    close(connection);
  }
}

}  // namespace dcac::server
