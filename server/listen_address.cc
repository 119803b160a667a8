#include "server/listen_address.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <charconv>
#include <memory>
#include <optional>

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"

namespace dcac::server {
namespace {

constexpr std::string_view kUnixPrefix = "unix:";
constexpr std::size_t kMaxPathLength = sizeof(sockaddr_un::sun_path) - 1;

absl::Status Wrong(std::string_view text, std::string_view why) {
  return absl::InvalidArgumentError(
      absl::StrCat("listen: ", std::string(text), ": ", std::string(why), "; expected unix:PATH or HOST:PORT"));
}

bool IsLoopback(const in_addr& address) {
  constexpr std::uint32_t kLoopbackNet = 127;
  return ntohl(address.s_addr) >> 24 == kLoopbackNet;
}

bool IsLoopback(const in6_addr& address) {
  if (IN6_IS_ADDR_V4MAPPED(&address)) {
    in_addr mapped{};
    std::copy_n(address.s6_addr + 12, 4, reinterpret_cast<std::uint8_t*>(&mapped));
    return IsLoopback(mapped);
  }
  return IN6_IS_ADDR_LOOPBACK(&address);
}

bool IsLoopback(const addrinfo& info) {
  if (info.ai_family == AF_INET) return IsLoopback(reinterpret_cast<const sockaddr_in*>(info.ai_addr)->sin_addr);
  return info.ai_family == AF_INET6 && IsLoopback(reinterpret_cast<const sockaddr_in6*>(info.ai_addr)->sin6_addr);
}

bool ResolvesToLoopback(const std::string& name) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  if (getaddrinfo(name.c_str(), nullptr, &hints, &list) != 0) return false;
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owner(list, freeaddrinfo);
  for (const addrinfo* info = list; info != nullptr; info = info->ai_next) {
    if (!IsLoopback(*info)) return false;
  }
  return list != nullptr;
}

bool IsPrivateHost(const std::string& host) {
  in_addr v4{};
  if (inet_pton(AF_INET, host.c_str(), &v4) == 1) return IsLoopback(v4);
  in6_addr v6{};
  if (inet_pton(AF_INET6, host.c_str(), &v6) == 1) return IsLoopback(v6);
  return host == "localhost" && ResolvesToLoopback(host);
}

std::optional<std::uint16_t> ParsePort(std::string_view text) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return port;
}

// gRPC reads what follows unix: as part of a URI.
absl::StatusOr<ListenAddress> ParseUnix(std::string_view text) {
  const std::string_view path = text.substr(kUnixPrefix.size());
  if (path.empty() || path.size() > kMaxPathLength) {
    return Wrong(text, absl::StrCat("the path has ", path.size(), " characters, not 1 to ", kMaxPathLength));
  }
  if (path.find_first_of("%?#") != std::string_view::npos) return Wrong(text, "the path may not contain %, ? or #");
  return ListenAddress{.is_unix = true, .path = std::string(path), .is_private = true};
}

}  // namespace

absl::StatusOr<ListenAddress> ParseListenAddress(std::string_view text) {
  if (text.starts_with(kUnixPrefix)) return ParseUnix(text);
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return Wrong(text, "no port");
  std::string_view host = text.substr(0, colon);
  const std::optional<std::uint16_t> port = ParsePort(text.substr(colon + 1));
  if (!port) return Wrong(text, "the port is no number of 0 to 65535");
  const bool has_brackets = host.size() > 2 && host.front() == '[' && host.back() == ']';
  if (has_brackets) host = host.substr(1, host.size() - 2);
  if (host.find_first_of(has_brackets ? "[]/" : "[]:/%") != std::string_view::npos) {
    return Wrong(text, "the host is neither a name nor an address");
  }
  ListenAddress address{.host = std::string(host), .port = *port};
  address.is_private = IsPrivateHost(address.host);
  return address;
}

}  // namespace dcac::server
