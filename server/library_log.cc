#include "server/library_log.h"

#include <google/protobuf/stubs/logging.h>
#include <grpc/support/log.h>

#include <shared_mutex>
#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"

namespace dcac::server {
namespace {

// Threads of gRPC go on to the end of the process: the log may be gone when one has something to say.
std::shared_mutex g_mutex;
Log* g_log = nullptr;

void Write(std::string_view library, LogLevel level, std::string_view file, int line, std::string_view message) {
  const std::shared_lock lock(g_mutex);
  if (g_log == nullptr) return;
  const std::string_view name = file.substr(file.rfind('/') + 1);
  g_log->WriteLimited(library, LogEvent(level, "library_message")
                                   .Text("library", library)
                                   .Text("source", absl::StrCat(std::string(name), ":", line))
                                   .Text("message", message));
}

LogLevel LevelOf(gpr_log_severity severity) {
  switch (severity) {
    case GPR_LOG_SEVERITY_ERROR:
      return LogLevel::kWarning;  // nothing that the server itself does wrong: it says so itself
    case GPR_LOG_SEVERITY_INFO:
      return LogLevel::kInfo;
    default:
      return LogLevel::kDebug;
  }
}

void OnGrpc(gpr_log_func_args* message) {
  Write("grpc", LevelOf(message->severity), message->file, message->line, message->message);
}

void OnProtobuf(google::protobuf::LogLevel level, const char* file, int line, const std::string& message) {
  Write("protobuf", level == google::protobuf::LOGLEVEL_INFO ? LogLevel::kInfo : LogLevel::kWarning, file, line,
        message);
}

}  // namespace

LibraryLog::LibraryLog(Log& log) {
  {
    const std::unique_lock lock(g_mutex);
    g_log = &log;
  }
  gpr_set_log_function(&OnGrpc);
  google::protobuf::SetLogHandler(&OnProtobuf);
}

LibraryLog::~LibraryLog() {
  const std::unique_lock lock(g_mutex);
  g_log = nullptr;
}

}  // namespace dcac::server
