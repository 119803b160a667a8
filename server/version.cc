#include "server/version.h"

namespace dcac::server {

std::string_view Version() {
  return DCAC_VERSION;
}

std::string_view Revision() {
  return *DCAC_REVISION == '\0' ? "unknown" : DCAC_REVISION;
}

}  // namespace dcac::server
