// Folders that files are restored into.
#ifndef DCAC_CLIENT_CLI_FOLDERS_H_
#define DCAC_CLIENT_CLI_FOLDERS_H_

#include <string>

#include "absl/status/status.h"

namespace dcac::cli {

// Where all of them are: it and those above it are made, links are followed.
absl::Status MakeRoot(const std::string& path);

// Makes the folder one that can be written, whatever it is to become in the end.  What is there already must be a
// folder: a link would lead elsewhere.  Errors: AlreadyExists, those of the system.
absl::Status MakeFolder(const std::string& path, unsigned mode);

}  // namespace dcac::cli

#endif  // DCAC_CLIENT_CLI_FOLDERS_H_
