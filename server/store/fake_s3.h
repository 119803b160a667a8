// An S3 server in memory, for tests of what the store makes of answers that a real one gives seldom.
#ifndef DCAC_SERVER_STORE_FAKE_S3_H_
#define DCAC_SERVER_STORE_FAKE_S3_H_

#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "server/store/s3_client.h"

namespace dcac::store {

// Keeps objects in one bucket "b" and takes any credentials.
class FakeS3 {
 public:
  struct Request {
    std::string method;  // "LIST" for a listing
    std::string name;    // of the object; of a listing its prefix
  };
  struct Answer {
    int status = 200;
    std::string body;
    std::string headers;  // lines
  };
  // Called before each request, in any thread, and may wait.  What it gives is the answer; nothing: what an S3 server
  // answers.
  using Hook = std::function<std::optional<Answer>(const Request& request)>;

  FakeS3();
  ~FakeS3();

  S3ClientOptions client_options() const;
  void SetHook(Hook hook);
  // Which ETags a PUT with If-Match is compared with; kIgnored: none, it is put in any case.
  enum class IfMatch { kIgnored, kBare, kQuoted };
  void SetIfMatch(IfMatch if_match);
  std::vector<std::string> Names(const std::string& prefix) const;
  void Erase(const std::string& name);

 private:
  struct Parsed {
    Request request;
    std::map<std::string, std::string> query;
    std::map<std::string, std::string> headers;  // names in lower case
    std::string body;
  };

  void Accept();
  void Serve(int connection);
  static std::optional<Parsed> Read(int connection, std::string& buffer);
  Answer AnswerTo(const Parsed& parsed);
  Answer List(const Parsed& parsed) const;
  Answer Get(const Parsed& parsed) const;
  bool Matches(const Parsed& parsed) const;

  int socket_;
  int port_ = 0;
  mutable std::mutex mutex_;
  Hook hook_;
  IfMatch if_match_ = IfMatch::kQuoted;
  std::map<std::string, std::string> objects_;
  bool stopping_ = false;
  std::set<int> connections_;
  std::vector<std::thread> threads_;
  std::thread acceptor_;
};

}  // namespace dcac::store

#endif  // DCAC_SERVER_STORE_FAKE_S3_H_
