#include "server/store/s3_client.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <mutex>
#include <new>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "server/store/operator_text.h"
#include "server/store/record.h"

namespace dcac::store {
namespace {

using std::chrono::milliseconds;

// Answers one request after another with what it is told, and hangs up after each; the last answer stays.
class FakeServer {
 public:
  explicit FakeServer(std::vector<std::string> answers) : answers_(std::move(answers)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    bind(socket_, reinterpret_cast<sockaddr*>(&address), sizeof(address));
    socklen_t size = sizeof(address);
    getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    listen(socket_, 16);
    thread_ = std::thread([this] { Run(); });
  }

  ~FakeServer() {
    shutdown(socket_, SHUT_RDWR);
    thread_.join();
    close(socket_);
  }

  std::string endpoint() const { return "http://127.0.0.1:" + std::to_string(port_); }
  std::size_t requests() const { return requests_; }
  // That of the request before, once it is answered.
  std::string last_request() const {
    const std::scoped_lock lock(mutex_);
    return last_request_;
  }

 private:
  void Run() {
    while (true) {
      const int connection = accept(socket_, nullptr, nullptr);
      if (connection < 0) return;
      std::string request;
      char buffer[4096];
      while (request.find("\r\n\r\n") == std::string::npos) {
        const ssize_t n = read(connection, buffer, sizeof(buffer));
        if (n <= 0) break;
        request.append(buffer, static_cast<std::size_t>(n));
      }
      {
        const std::scoped_lock lock(mutex_);
        last_request_ = request;
      }
      const std::string& answer = answers_[std::min(requests_++, answers_.size() - 1)];
      // Who was answered may have hung up.
      send(connection, answer.data(), answer.size(), MSG_NOSIGNAL);
      shutdown(connection, SHUT_WR);
      while (read(connection, buffer, sizeof(buffer)) > 0) {
      }
      close(connection);
    }
  }

  const std::vector<std::string> answers_;
  const int socket_ = socket(AF_INET, SOCK_STREAM, 0);
  int port_ = 0;
  std::atomic<std::size_t> requests_{0};
  mutable std::mutex mutex_;
  std::string last_request_;
  std::thread thread_;
};

std::string Answer(const std::string& status, const std::string& body = "", const std::string& headers = "") {
  return "HTTP/1.1 " + status + "\r\nConnection: close\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" +
         headers + "\r\n" + body;
}

const std::string kBytes = Answer("206 Partial Content", "bytes", "ETag: \"e\"\r\nContent-Range: bytes 0-4/77\r\n");

S3Client ClientOf(const std::string& endpoint, milliseconds retry_for = milliseconds(5000)) {
  S3ClientOptions options{.bucket = "b", .endpoint = endpoint, .credentials = {"id", "secret", ""}};
  options.retry_for = retry_for;
  options.first_wait = milliseconds(1);
  options.clock = [] { return Time{}; };
  return S3Client(options);
}

absl::StatusOr<S3Got> GetFrom(const std::string& endpoint, milliseconds retry_for = milliseconds(5000)) {
  S3Client client = ClientOf(endpoint, retry_for);
  std::byte out[16];
  return client.Get("name", 0, out, {});
}

TEST(S3Client, Gets) {
  FakeServer server({kBytes});
  const auto got = GetFrom(server.endpoint());
  ASSERT_TRUE(got.ok()) << got.status();
  EXPECT_EQ(got->bytes, 5u);
  EXPECT_EQ(got->total_bytes, 77u);
  EXPECT_EQ(got->etag, "\"e\"");
}

TEST(S3Client, TriesAgainWhatMayPass) {
  for (const std::string& answer :
       {Answer("503 Slow Down", "<Error><Code>SlowDown</Code></Error>"), Answer("500 Oops"), std::string(),
        Answer("429 Too Many"), std::string("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")}) {
    FakeServer server({answer, answer, kBytes});
    const auto got = GetFrom(server.endpoint());
    EXPECT_TRUE(got.ok()) << got.status();
    EXPECT_EQ(server.requests(), 3u);
  }
}

TEST(S3Client, GivesUpInTheEnd) {
  FakeServer server({Answer("503 Slow Down", "<Error><Code>SlowDown</Code></Error>")});
  const auto got = GetFrom(server.endpoint(), milliseconds(20));
  EXPECT_EQ(got.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_NE(got.status().message().find("SlowDown"), absl::string_view::npos);
}

TEST(S3Client, IsUnavailableWithoutAServer) {
  std::string endpoint;
  {
    FakeServer server({kBytes});
    endpoint = server.endpoint();
  }
  EXPECT_EQ(GetFrom(endpoint, milliseconds(20)).status().code(), absl::StatusCode::kUnavailable);
}

const std::string kExpired = Answer("400 Bad Request", "<Error><Code>ExpiredToken</Code></Error>");

// A client whose credentials are read anew, as numbers of how often that was.
struct ClientOfLiveCredentials {
  explicit ClientOfLiveCredentials(const std::string& endpoint, int most)
      : client([&] {
          S3ClientOptions options{.bucket = "b", .endpoint = endpoint, .credentials = {"id0", "secret", "token"}};
          options.read_credentials = [this, most]() -> absl::StatusOr<AwsCredentials> {
            if (reads < most) ++reads;
            return AwsCredentials{"id" + std::to_string(reads), "secret", "token"};
          };
          options.clock = [] { return Time{}; };
          return options;
        }()) {}

  absl::StatusOr<S3Got> Get() {
    std::byte out[16];
    return client.Get("name", 0, out, {});
  }

  int reads = 0;
  S3Client client;
};

TEST(S3Client, TakesNewCredentialsWhereOldOnesAreRefused) {
  FakeServer server({kExpired, kBytes});
  ClientOfLiveCredentials live(server.endpoint(), 1);
  EXPECT_TRUE(live.Get().ok());
  EXPECT_NE(server.last_request().find("Credential=id1/"), std::string::npos) << server.last_request();
  EXPECT_TRUE(live.Get().ok());
  EXPECT_NE(server.last_request().find("Credential=id1/"), std::string::npos) << server.last_request();
  EXPECT_EQ(live.reads, 1);
  EXPECT_EQ(server.requests(), 3u);
}

TEST(S3Client, GivesUpWhereThereAreNoOtherCredentials) {
  FakeServer server({kExpired});
  ClientOfLiveCredentials live(server.endpoint(), 0);
  const auto got = live.Get();
  EXPECT_EQ(got.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_NE(got.status().message().find("ExpiredToken"), absl::string_view::npos);
  EXPECT_EQ(server.requests(), 1u);
}

TEST(S3Client, DoesNotReadCredentialsForEver) {
  FakeServer server({kExpired});
  ClientOfLiveCredentials live(server.endpoint(), 1000);
  EXPECT_FALSE(live.Get().ok());
  EXPECT_LT(live.reads, 10);
}

TEST(S3Client, TellsRefusalsWithoutSecrets) {
  FakeServer server({Answer("403 Forbidden", "<Error><Code>SignatureDoesNotMatch</Code></Error>")});
  const auto got = GetFrom(server.endpoint());
  EXPECT_EQ(got.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_NE(got.status().message().find("SignatureDoesNotMatch"), absl::string_view::npos);
  EXPECT_EQ(got.status().message().find("secret"), absl::string_view::npos);
  EXPECT_EQ(got.status().message().find("127.0.0.1"), absl::string_view::npos);
  EXPECT_EQ(server.requests(), 1u);
}

TEST(S3Client, TellsOperatorsAloneWhatTheServerSays) {
  const std::string body = "<Error><Code>Oops</Code><Message>bucket of-another, key theirs</Message></Error>";
  for (const char* line :
       {"403 Forbidden", "400 Bad Request", "404 Not Found", "501 Not Implemented", "503 Slow Down"}) {
    FakeServer server({Answer(line, body)});
    const absl::Status status = GetFrom(server.endpoint(), milliseconds(20)).status();
    EXPECT_EQ(status.message().find("another"), absl::string_view::npos) << status;
    EXPECT_EQ(OperatorText(status), "bucket of-another, key theirs") << line;
  }
}

TEST(S3Client, KnowsWhatIsNotThere) {
  FakeServer key({Answer("404 Not Found", "<Error><Code>NoSuchKey</Code></Error>")});
  EXPECT_EQ(GetFrom(key.endpoint()).status().code(), absl::StatusCode::kNotFound);
  FakeServer bucket({Answer("404 Not Found", "<Error><Code>NoSuchBucket</Code></Error>")});
  EXPECT_EQ(GetFrom(bucket.endpoint()).status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST(S3Client, RefusesAnswersThatMakeNoSense) {
  FakeServer whole({Answer("200 OK", "bytes")});
  EXPECT_EQ(GetFrom(whole.endpoint()).status().code(), absl::StatusCode::kInternal);
  FakeServer longer({Answer("206 Partial Content", std::string(17, 'x'))});
  EXPECT_EQ(GetFrom(longer.endpoint()).status().code(), absl::StatusCode::kResourceExhausted);
  FakeServer endless({Answer("200 OK", std::string(std::size_t{9} << 20, 'x'))});
  EXPECT_EQ(ClientOf(endless.endpoint()).List("", "", 10, {}).status().code(), absl::StatusCode::kResourceExhausted);
}

TEST(S3Client, RefusesListingsThatWouldNotEnd) {
  const auto listed = [](const std::vector<std::string>& names) {
    std::string text = "<ListBucketResult><IsTruncated>true</IsTruncated>";
    for (const std::string& name : names) text += "<Contents><Key>" + name + "</Key><Size>1</Size></Contents>";
    FakeServer server({Answer("200 OK", text + "</ListBucketResult>")});
    return ClientOf(server.endpoint()).List("p/", "p/b", 10, {}).status().code();
  };
  EXPECT_EQ(listed({"p/c", "p/d"}), absl::StatusCode::kOk);
  for (const auto& names : std::vector<std::vector<std::string>>{
           {"x"}, {"q/c"}, {"p/b"}, {"p/a"}, {"p/c", "p/c"}, {"p/d", "p/c"}, {"p/c", "x"}}) {
    EXPECT_EQ(listed(names), absl::StatusCode::kInternal) << names.front();
  }
}

TEST(InParallel, ThrowsInTheCallingThread) {
  const auto call = [](std::size_t i) {
    if (i == 3) throw std::bad_alloc();
  };
  EXPECT_THROW(InParallel(100, 8, call), std::bad_alloc);
}

TEST(InParallel, DoesWithoutThreads) {
  // No thread can be made with a stack of the size of the address space.
  pthread_attr_t before, huge;
  ASSERT_EQ(pthread_getattr_default_np(&before), 0);
  ASSERT_EQ(pthread_getattr_default_np(&huge), 0);
  ASSERT_EQ(pthread_attr_setstacksize(&huge, std::size_t{1} << 47), 0);
  ASSERT_EQ(pthread_setattr_default_np(&huge), 0);
  int calls = 0;
  InParallel(100, 8, [&](std::size_t) { ++calls; });
  EXPECT_EQ(pthread_setattr_default_np(&before), 0);
  EXPECT_EQ(calls, 100);
}

TEST(S3Client, PutsUnderACondition) {
  FakeServer exists({Answer("412 Precondition Failed")});
  const std::string text = "bytes";
  EXPECT_EQ(ClientOf(exists.endpoint()).Put("n", {AsBytes(text)}, true, {}).code(), absl::StatusCode::kAlreadyExists);
  FakeServer races({Answer("409 Conflict"), Answer("200 OK")});
  EXPECT_TRUE(ClientOf(races.endpoint()).Put("n", {AsBytes(text)}, true, {}).ok());
  EXPECT_EQ(races.requests(), 2u);
}

TEST(S3Client, PutsInPlaceOfAnObject) {
  const std::string text = "bytes";
  for (const char* line : {"412 Precondition Failed", "404 Not Found"}) {
    FakeServer other({Answer(line)});
    EXPECT_EQ(ClientOf(other.endpoint()).PutIfMatch("n", {AsBytes(text)}, "e", {}).code(), absl::StatusCode::kAborted);
  }
  FakeServer races({Answer("409 Conflict"), Answer("200 OK")});
  EXPECT_TRUE(ClientOf(races.endpoint()).PutIfMatch("n", {AsBytes(text)}, "e", {}).ok());
}

TEST(S3Client, EndsWhenItIsNotWanted) {
  FakeServer server({Answer("500 Oops")});
  const std::atomic<bool> cancelled{true};
  std::byte out[16];
  S3Client client = ClientOf(server.endpoint());
  EXPECT_EQ(client.Get("n", 0, out, {.cancelled = &cancelled}).status().code(), absl::StatusCode::kCancelled);
  const CallControl late{.deadline = std::chrono::steady_clock::now() - std::chrono::seconds(1)};
  EXPECT_EQ(client.Get("n", 0, out, late).status().code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(server.requests(), 0u);
}

TEST(S3Client, TellsWhetherTheDeadlineOfTheCallEndedItsTrials) {
  FakeServer server({Answer("503 Slow Down")});
  std::byte out[16];
  const CallControl control{.deadline = std::chrono::steady_clock::now() + milliseconds(50)};
  EXPECT_EQ(ClientOf(server.endpoint()).Get("n", 0, out, control).status().code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(ClientOf(server.endpoint(), milliseconds(50)).Get("n", 0, out, {}).status().code(),
            absl::StatusCode::kUnavailable);
}

}  // namespace
}  // namespace dcac::store
