// When streams end that do not end by themselves, or are not to end at once.
#ifndef DCAC_SERVER_IDLE_WATCH_H_
#define DCAC_SERVER_IDLE_WATCH_H_

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <set>
#include <thread>

namespace dcac::server {

// Ends streams whose client neither sends nor reads: they would hold their memory for ever.
// Thread-safe; must outlive what it watches.
class IdleWatch {
 public:
  class Watched {
   public:
    // Ends the stream if its client has done nothing since `moment`.  Remove may not be called from here.
    virtual void EndIfIdleSince(std::chrono::steady_clock::time_point moment) = 0;

   protected:
    ~Watched() = default;
  };

  // Looks around a few times within `limit`, for what has been idle longer than that.
  explicit IdleWatch(std::chrono::milliseconds limit);
  ~IdleWatch();

  void Add(Watched* watched);
  void Remove(Watched* watched);

  // From now on a stream is to end no sooner than `linger` after bytes came or went.  The transport of a server that
  // shuts down closes a connection with its last stream, and a client loses what it has not read by then if it writes
  // anything, as it does while it reads.
  void BeginLingering(std::chrono::milliseconds linger) { linger_ms_ = linger.count(); }
  std::chrono::milliseconds linger() const { return std::chrono::milliseconds(linger_ms_); }

 private:
  void Run();

  const std::chrono::milliseconds limit_;
  std::atomic<std::chrono::milliseconds::rep> linger_ms_{0};
  std::mutex mutex_;  // guards all below
  std::condition_variable stopping_changed_;
  bool stopping_ = false;
  std::set<Watched*> watched_;
  std::thread thread_;
};

}  // namespace dcac::server

#endif  // DCAC_SERVER_IDLE_WATCH_H_
