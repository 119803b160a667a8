#include "client/internal/target.h"

#include <algorithm>
#include <array>
#include <optional>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "core/base/status_macros.h"

namespace dcac::client::internal {
namespace {

constexpr std::string_view kUnix = "unix:";
constexpr std::string_view kUnixAbstract = "unix-abstract:";
constexpr std::string_view kIpv4 = "ipv4:";
constexpr std::string_view kIpv6 = "ipv6:";
constexpr std::string_view kDns = "dns:";
constexpr std::array kSchemes = {kUnix, kUnixAbstract, kIpv4, kIpv6, kDns};

// sockaddr_un::sun_path without the zero at its end.
constexpr std::size_t kMaxSocketPath = 107;

// The scheme that `text` begins with; empty: none.
std::string_view SchemeOf(std::string_view text) {
  const auto scheme = std::ranges::find_if(kSchemes, [text](std::string_view s) { return text.starts_with(s); });
  return scheme == kSchemes.end() ? std::string_view() : *scheme;
}

// 127.0.0.0/8, which must be written as an address: 127.example.com is not local.
bool IsLoopbackAddress(std::string_view host) {
  return host.starts_with("127.") && host.find_first_not_of("0123456789.") == std::string_view::npos;
}

// Whether HOST:PORT, HOST or [ADDRESS]:PORT is of the loopback interface.
bool IsLoopback(std::string_view host_port) {
  if (host_port.starts_with('[')) return host_port.starts_with("[::1]");
  const std::string_view host = host_port.substr(0, host_port.find(':'));
  return host == "localhost" || IsLoopbackAddress(host);
}

bool IsLocal(std::string_view scheme, std::string_view rest) {
  if (scheme == kUnix || scheme == kUnixAbstract) return true;
  if (scheme == kDns) {
    // dns:HOST:PORT or dns://RESOLVER/HOST:PORT
    if (rest.starts_with("//")) rest = rest.substr(std::min(rest.find('/', 2), rest.size() - 1) + 1);
  }
  return IsLoopback(rest);
}

absl::StatusOr<Target> ParseOne(std::string_view text) {
  const std::string_view scheme = SchemeOf(text);
  const std::string_view rest = text.substr(scheme.size());
  if (rest.empty()) return absl::InvalidArgumentError("target: an empty address, expected unix:PATH or HOST:PORT");
  if (scheme == kUnix && rest.size() > kMaxSocketPath) {
    return absl::InvalidArgumentError(
        absl::StrCat("target: a socket's path of ", rest.size(), " characters exceeds ", kMaxSocketPath));
  }
  return Target{.address = std::string(text), .local = IsLocal(scheme, rest)};
}

}  // namespace

absl::StatusOr<std::vector<Target>> ParseTargets(std::string_view text) {
  std::vector<Target> targets;
  bool takes_more = false;  // the last target is a list of addresses
  for (const std::string& element : std::vector<std::string>(absl::StrSplit(std::string(text), ','))) {
    const std::string_view scheme = SchemeOf(element);
    DCAC_ASSIGN_OR_RETURN(Target target, ParseOne(element));
    if (scheme.empty() && takes_more) {
      absl::StrAppend(&targets.back().address, ",", element);
      targets.back().local = targets.back().local && target.local;
      continue;
    }
    takes_more = scheme == kIpv4 || scheme == kIpv6;
    targets.push_back(std::move(target));
  }
  return targets;
}

}  // namespace dcac::client::internal
