// What is to be said of a change, in the log.
#ifndef DCAC_SERVER_NOTICE_H_
#define DCAC_SERVER_NOTICE_H_

#include <string>

namespace dcac::server {

struct Notice {
  bool is_problem = false;  // somebody has to look after it
  std::string text;
};

}  // namespace dcac::server

#endif  // DCAC_SERVER_NOTICE_H_
