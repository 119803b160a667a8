#ifndef DCAC_SERVER_VERSION_H_
#define DCAC_SERVER_VERSION_H_

#include <string_view>

namespace dcac::server {

std::string_view Version();   // "1.2.3", that of the project
std::string_view Revision();  // of the source, as the build was told; "unknown": it was not

}  // namespace dcac::server

#endif  // DCAC_SERVER_VERSION_H_
