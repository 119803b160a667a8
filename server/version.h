#ifndef DCAC_SERVER_VERSION_H_
#define DCAC_SERVER_VERSION_H_

#include <string_view>

namespace dcac::server {

std::string_view Version();  // "1.2.3", that of the project

}  // namespace dcac::server

#endif  // DCAC_SERVER_VERSION_H_
