#include "server/version.h"

namespace dcac::server {

std::string_view Version() {
  return DCAC_VERSION;
}

}  // namespace dcac::server
