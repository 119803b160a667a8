// The log of the server: one line for each event, written by a thread of its own.
#ifndef DCAC_SERVER_TELEMETRY_LOG_H_
#define DCAC_SERVER_TELEMETRY_LOG_H_

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

#include "server/telemetry/log_event.h"

namespace dcac::server {

// Nobody waits for a reader of the log: at most kMaxQueuedBytes wait to be written, and lines beyond that are counted
// and dropped; the log says so as soon as it can.  Thread-safe.
class Log {
 public:
  using Clock = std::function<std::chrono::system_clock::time_point()>;

  static constexpr std::size_t kMaxQueuedBytes = 1u << 20;
  static constexpr std::uint64_t kLinesPerSecond = 10;  // of a kind that is limited

  // Writes to `fd`, which stays the caller's and is open until the end.
  Log(int fd, LogLevel level, LogFormat format, Clock clock = std::chrono::system_clock::now);

  // Writes what waits, for as long as somebody reads it.
  ~Log();

  // Events below it are not written.
  void set_level(LogLevel level) { level_.store(level, std::memory_order_relaxed); }
  bool Writes(LogLevel level) const { return level >= level_.load(std::memory_order_relaxed); }

  void Write(const LogEvent& event);

  // As Write, for events that others can cause at will: kLinesPerSecond of a kind are written, and then how many more
  // there were.  There must be few kinds.
  void WriteLimited(std::string_view kind, const LogEvent& event);

  std::uint64_t written_lines() const { return written_lines_.load(std::memory_order_relaxed); }
  std::uint64_t dropped_lines() const { return dropped_lines_.load(std::memory_order_relaxed); }

 private:
  // Lines of a kind in the present second.
  struct Limit {
    std::int64_t second = 0;
    std::uint64_t passed = 0;
    std::uint64_t held_back = 0;
  };

  void Run();
  bool WriteLine(std::string_view line);
  bool WaitUntilWritable() const;

  // The mutex is held.
  void Enqueue(const LogEvent& event);
  void EnqueueHeldBack(const std::string& kind, Limit& limit);
  void EnqueueSummaries();

  const int fd_;
  std::atomic<LogLevel> level_;
  const LogFormat format_;
  const Clock clock_;
  std::atomic<std::uint64_t> written_lines_{0};
  std::atomic<std::uint64_t> dropped_lines_{0};
  std::atomic<bool> stopping_{false};

  std::mutex mutex_;  // guards all below
  std::condition_variable changed_;
  std::deque<std::string> lines_;
  std::size_t queued_bytes_ = 0;
  std::uint64_t told_dropped_lines_ = 0;
  std::map<std::string, Limit, std::less<>> limits_;
  std::thread thread_;
};

}  // namespace dcac::server

#endif  // DCAC_SERVER_TELEMETRY_LOG_H_
