#include "server/telemetry/log.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

namespace dcac::server {
namespace {

constexpr std::chrono::milliseconds kSummaryInterval{1000};

// What a pipe takes without blocking once it is writable.
constexpr std::size_t kPieceBytes = 4096;

// While nobody reads: between looks at whether the log is to end, and then the last chance for the reader.
constexpr int kPollMs = 100;
constexpr int kLastPollMs = 500;

std::int64_t SecondOf(std::chrono::system_clock::time_point time) {
  return std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count();
}

}  // namespace

Log::Log(int fd, LogLevel level, LogFormat format, Clock clock)
    : fd_(fd), level_(level), format_(format), clock_(std::move(clock)), thread_([this] { Run(); }) {}

Log::~Log() {
  {
    const std::lock_guard lock(mutex_);
    for (auto& [kind, limit] : limits_) EnqueueHeldBack(kind, limit);
    stopping_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void Log::Write(const LogEvent& event) {
  if (!Writes(event.level())) return;
  {
    const std::lock_guard lock(mutex_);
    Enqueue(event);
  }
  changed_.notify_one();
}

void Log::WriteLimited(std::string_view kind, const LogEvent& event) {
  if (!Writes(event.level())) return;
  {
    const std::lock_guard lock(mutex_);
    auto found = limits_.find(kind);
    if (found == limits_.end()) found = limits_.emplace(std::string(kind), Limit()).first;
    Limit& limit = found->second;
    if (const std::int64_t second = SecondOf(clock_()); second != limit.second) {
      EnqueueHeldBack(found->first, limit);
      limit = {.second = second};
    }
    if (limit.passed == kLinesPerSecond) {
      ++limit.held_back;
      return;
    }
    ++limit.passed;
    Enqueue(event);
  }
  changed_.notify_one();
}

void Log::Enqueue(const LogEvent& event) {
  std::string line = event.Format(format_, clock_());
  if (queued_bytes_ + line.size() > kMaxQueuedBytes) {
    dropped_lines_.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  queued_bytes_ += line.size();
  lines_.push_back(std::move(line));
}

void Log::EnqueueHeldBack(const std::string& kind, Limit& limit) {
  if (limit.held_back == 0) return;
  Enqueue(LogEvent(LogLevel::kWarning, "more_of_the_same").Text("kind", kind).Number("count", limit.held_back));
  limit.held_back = 0;
}

void Log::EnqueueSummaries() {
  const std::int64_t second = SecondOf(clock_());
  for (auto& [kind, limit] : limits_) {
    if (limit.second != second) EnqueueHeldBack(kind, limit);
  }
  const std::uint64_t dropped = dropped_lines();
  if (lines_.empty() && dropped != told_dropped_lines_) {
    Enqueue(LogEvent(LogLevel::kWarning, "log_lines_dropped").Number("count", dropped - told_dropped_lines_));
    told_dropped_lines_ = dropped;
  }
}

void Log::Run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    EnqueueSummaries();
    changed_.wait_for(lock, kSummaryInterval, [this] { return stopping_ || !lines_.empty(); });
    if (lines_.empty()) {
      if (stopping_) return;
      continue;
    }
    const std::string line = std::move(lines_.front());
    lines_.pop_front();
    lock.unlock();
    const bool written = WriteLine(line);
    lock.lock();
    queued_bytes_ -= line.size();
    (written ? written_lines_ : dropped_lines_).fetch_add(1, std::memory_order_relaxed);
    if (written) continue;
    if (stopping_) return;
    // Who has gone stays away, and that lines were lost is a line too: without a rest it would be lost again and again.
    changed_.wait_for(lock, kSummaryInterval, [this] { return stopping_.load(); });
  }
}

bool Log::WriteLine(std::string_view line) {
  while (!line.empty()) {
    if (!WaitUntilWritable()) return false;
    const ssize_t bytes = write(fd_, line.data(), std::min(line.size(), kPieceBytes));
    if (bytes < 0 && errno != EINTR && errno != EAGAIN) return false;
    if (bytes > 0) line.remove_prefix(static_cast<std::size_t>(bytes));
  }
  return true;
}

bool Log::WaitUntilWritable() const {
  pollfd descriptor{.fd = fd_, .events = POLLOUT, .revents = 0};
  for (;;) {
    const bool last = stopping_;
    const int ready = poll(&descriptor, 1, last ? kLastPollMs : kPollMs);
    if (ready > 0) return true;
    if (ready < 0 && errno != EINTR) return false;
    if (ready == 0 && last) return false;
  }
}

}  // namespace dcac::server
