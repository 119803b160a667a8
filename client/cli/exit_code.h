// How the program ends.  The numbers are part of its interface.
#ifndef DCAC_CLIENT_CLI_EXIT_CODE_H_
#define DCAC_CLIENT_CLI_EXIT_CODE_H_

namespace dcac::cli {

enum ExitCode : int {
  kExitOk = 0,
  kExitFailed = 1,  // at least one file failed; the others were done
  kExitUsage = 2,
  kExitCorrupt = 3,  // corrupt or mismatching data
  kExitServer = 4,   // the server is unreachable or refuses
};

}  // namespace dcac::cli

#endif  // DCAC_CLIENT_CLI_EXIT_CODE_H_
