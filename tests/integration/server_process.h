// The program dcac-server as a child process.
#ifndef DCAC_TESTS_INTEGRATION_SERVER_PROCESS_H_
#define DCAC_TESTS_INTEGRATION_SERVER_PROCESS_H_

#include <sys/types.h>

#include <cstdio>
#include <memory>
#include <string>
#include <vector>

namespace dcac::testing {

class ServerProcess {
 public:
  // Starts it and reads its first line, which says where it listens, or why it does not.
  explicit ServerProcess(const std::vector<std::string>& arguments);
  ServerProcess(const ServerProcess&) = delete;
  ServerProcess& operator=(const ServerProcess&) = delete;
  ~ServerProcess();  // kills it if it still runs

  pid_t pid() const { return pid_; }
  const std::string& first_line() const { return first_line_; }
  void Signal(int number) const;
  int Wait();  // exit status; -1: ended by a signal

 private:
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };

  pid_t pid_ = -1;
  std::unique_ptr<std::FILE, Close> error_output_;
  std::string first_line_;
};

}  // namespace dcac::testing

#endif  // DCAC_TESTS_INTEGRATION_SERVER_PROCESS_H_
