#include "server/place_checks.h"

#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "server/listen_address.h"
#include "server/open_store.h"

namespace dcac::server {
namespace {

namespace fs = std::filesystem;

absl::Status Missing(const std::string& setting, const std::string& place, const std::string& found) {
  return absl::FailedPreconditionError(absl::StrCat(setting, ": ", place, ": ", found));
}

// Files can be made in it.
absl::Status CheckFolder(const std::string& setting, const fs::path& folder) {
  std::error_code error;
  const fs::file_status found = fs::status(folder, error);
  if (!fs::exists(found)) return Missing(setting, folder, "there is no such folder");
  if (!fs::is_directory(found)) return Missing(setting, folder, "found a file, expected a folder");
  return access(folder.c_str(), W_OK | X_OK) == 0 ? absl::OkStatus() : Missing(setting, folder, std::strerror(errno));
}

// It is there, or can be made.
absl::Status CheckFolderOrPlaceForIt(const std::string& setting, const std::string& name) {
  std::error_code error;
  fs::path folder = fs::absolute(name, error);
  while (!fs::exists(folder, error) && folder.has_relative_path()) folder = folder.parent_path();
  return CheckFolder(setting, folder);
}

absl::Status CheckSocketPath(const std::string& setting, const std::string& path) {
  std::error_code error;
  const fs::file_status found = fs::status(path, error);
  if (fs::exists(found) && !fs::is_socket(found)) return Missing(setting, path, "there is a file that is no socket");
  return CheckFolder(setting, fs::absolute(path, error).parent_path());
}

// A port of the address that is free is bound for a moment.
absl::Status CheckHost(const std::string& setting, const std::string& text, const ListenAddress& address) {
  addrinfo hints{};
  hints.ai_flags = AI_NUMERICHOST | AI_PASSIVE;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  const char* const host = address.host.empty() ? nullptr : address.host.c_str();
  if (getaddrinfo(host, "0", &hints, &list) != 0) return absl::OkStatus();  // a name
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owner(list, freeaddrinfo);
  const int bound = socket(list->ai_family, list->ai_socktype | SOCK_CLOEXEC, list->ai_protocol);
  const bool works = bound >= 0 && bind(bound, list->ai_addr, list->ai_addrlen) == 0;
  const std::string why = std::strerror(errno);
  if (bound >= 0) close(bound);
  return works ? absl::OkStatus() : Missing(setting, text, why);
}

absl::Status CheckListenAddress(const std::string& setting, const std::string& text) {
  DCAC_ASSIGN_OR_RETURN(const ListenAddress address, ParseListenAddress(text));
  return address.is_unix ? CheckSocketPath(setting, address.path) : CheckHost(setting, text, address);
}

}  // namespace

absl::Status CheckPlaces(const ServerOptions& options) {
  for (const std::string& text : options.listen) DCAC_RETURN_IF_ERROR(CheckListenAddress("listen", text));
  if (!options.metrics_listen.empty()) {
    DCAC_RETURN_IF_ERROR(CheckListenAddress("metrics_listen", options.metrics_listen));
  }
  DCAC_RETURN_IF_ERROR(CheckBucket(options.store));
  const std::string folder = StoreFolder(options.store.location);
  return folder.empty() ? absl::OkStatus() : CheckFolderOrPlaceForIt("store", folder);
}

}  // namespace dcac::server
