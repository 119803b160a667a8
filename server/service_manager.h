// Tells the service manager (systemd, Type=notify) how the server is.
#ifndef DCAC_SERVER_SERVICE_MANAGER_H_
#define DCAC_SERVER_SERVICE_MANAGER_H_

#include <string_view>

namespace dcac::server {

inline constexpr std::string_view kReady = "READY=1";
inline constexpr std::string_view kReloading = "RELOADING=1";
inline constexpr std::string_view kStopping = "STOPPING=1";

// Goes to the datagram socket that the variable NOTIFY_SOCKET names, if any; that nobody listens there is no error.
void TellServiceManager(std::string_view state);

}  // namespace dcac::server

#endif  // DCAC_SERVER_SERVICE_MANAGER_H_
