// The verbs that make entries of the token file.
#ifndef DCAC_SERVER_TOKEN_COMMANDS_H_
#define DCAC_SERVER_TOKEN_COMMANDS_H_

#include <iosfwd>
#include <string>
#include <vector>

#include "absl/status/status.h"

namespace dcac::server {

struct NewToken {
  std::string name;
  std::string tenant;
  std::vector<std::string> scopes;
};

// Makes a token of 256 random bits.  Its entry goes to `entry`, fit to be appended to the token file; the token itself,
// which is not in there, to `secret`.
// Errors: InvalidArgument (name, tenant, scope), Internal (no random numbers).
absl::Status MakeToken(const NewToken& request, std::ostream& entry, std::ostream& secret);

// Writes the line of the token file that stands for the token in the first line of `in`.
// Errors: InvalidArgument (too short to be safe: the file holds no more than a hash; or none).
absl::Status PrintTokenHash(std::istream& in, std::ostream& out);

}  // namespace dcac::server

#endif  // DCAC_SERVER_TOKEN_COMMANDS_H_
