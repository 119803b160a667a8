#include "server/store/fake_s3.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace dcac::store {
namespace {

constexpr std::string_view kBucketPath = "/b/";

std::string Decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%' || i + 2 >= text.size()) {
      out += text[i];
      continue;
    }
    out += static_cast<char>(std::stoi(std::string(text.substr(i + 1, 2)), nullptr, 16));
    i += 2;
  }
  return out;
}

bool ReadMore(int connection, std::string& buffer) {
  char bytes[65536];
  const ssize_t n = read(connection, bytes, sizeof(bytes));
  if (n > 0) buffer.append(bytes, static_cast<std::size_t>(n));
  return n > 0;
}

std::string EtagOf(const std::string& bytes) {
  return absl::StrCat(std::hash<std::string>()(bytes));
}

std::string EtagHeader(const std::string& bytes) {
  return absl::StrCat("ETag: \"", EtagOf(bytes), "\"\r\n");
}

}  // namespace

FakeS3::FakeS3() : socket_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  if (bind(socket_, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &size) != 0 || listen(socket_, 128) != 0) {
    std::abort();
  }
  port_ = ntohs(address.sin_port);
  acceptor_ = std::thread([this] { Accept(); });
}

FakeS3::~FakeS3() {
  shutdown(socket_, SHUT_RDWR);
  acceptor_.join();
  {
    const std::scoped_lock lock(mutex_);
    stopping_ = true;
    for (const int connection : connections_) shutdown(connection, SHUT_RDWR);
  }
  for (std::thread& thread : threads_) thread.join();
  close(socket_);
}

S3ClientOptions FakeS3::client_options() const {
  S3ClientOptions options{
      .bucket = "b", .endpoint = absl::StrCat("http://127.0.0.1:", port_), .credentials = {"id", "secret", ""}};
  options.first_wait = std::chrono::milliseconds(1);
  options.clock = [] { return std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now()); };
  return options;
}

void FakeS3::SetHook(Hook hook) {
  const std::scoped_lock lock(mutex_);
  hook_ = std::move(hook);
}

void FakeS3::SetIfMatch(IfMatch if_match) {
  const std::scoped_lock lock(mutex_);
  if_match_ = if_match;
}

std::vector<std::string> FakeS3::Names(const std::string& prefix) const {
  const std::scoped_lock lock(mutex_);
  std::vector<std::string> names;
  for (auto i = objects_.lower_bound(prefix); i != objects_.end() && i->first.starts_with(prefix); ++i) {
    names.push_back(i->first);
  }
  return names;
}

void FakeS3::Erase(const std::string& name) {
  const std::scoped_lock lock(mutex_);
  objects_.erase(name);
}

void FakeS3::Accept() {
  while (true) {
    const int connection = accept4(socket_, nullptr, nullptr, SOCK_CLOEXEC);
    if (connection < 0) return;
    const std::scoped_lock lock(mutex_);
    connections_.insert(connection);
    threads_.emplace_back([this, connection] { Serve(connection); });
  }
}

void FakeS3::Serve(int connection) {
  std::string buffer;
  while (const auto parsed = Read(connection, buffer)) {
    const Answer answer = AnswerTo(*parsed);
    const std::string text = absl::StrCat("HTTP/1.1 ", answer.status, " -\r\nContent-Length: ", answer.body.size(),
                                          "\r\n", answer.headers, "\r\n", answer.body);
    for (std::size_t sent = 0; sent < text.size();) {
      const ssize_t n = send(connection, text.data() + sent, text.size() - sent, MSG_NOSIGNAL);
      if (n <= 0) break;
      sent += static_cast<std::size_t>(n);
    }
  }
  const std::scoped_lock lock(mutex_);
  connections_.erase(connection);
  close(connection);
}

std::optional<FakeS3::Parsed> FakeS3::Read(int connection, std::string& buffer) {
  std::size_t end = 0;
  while ((end = buffer.find("\r\n\r\n")) == std::string::npos) {
    if (!ReadMore(connection, buffer)) return std::nullopt;
  }
  Parsed parsed;
  const std::vector<std::string> lines = absl::StrSplit(buffer.substr(0, end), "\r\n");
  const std::vector<std::string> words = absl::StrSplit(lines[0], ' ');
  if (words.size() < 2) return std::nullopt;
  const std::pair<std::string, std::string> url = absl::StrSplit(words[1], absl::MaxSplits('?', 1));
  for (const absl::string_view pair : absl::StrSplit(url.second, '&', absl::SkipEmpty())) {
    const std::pair<std::string, std::string> field = absl::StrSplit(pair, absl::MaxSplits('=', 1));
    parsed.query[Decoded(field.first)] = Decoded(field.second);
  }
  for (std::size_t i = 1; i < lines.size(); ++i) {
    const std::pair<std::string, std::string> field = absl::StrSplit(lines[i], absl::MaxSplits(": ", 1));
    parsed.headers[absl::AsciiStrToLower(field.first)] = field.second;
  }
  const bool listing = parsed.query.contains("list-type");
  parsed.request.method = listing ? "LIST" : words[0];
  parsed.request.name =
      listing ? parsed.query["prefix"] : Decoded(url.first.substr(std::min(kBucketPath.size(), url.first.size())));
  buffer.erase(0, end + 4);
  const std::size_t body_bytes = std::strtoull(parsed.headers["content-length"].c_str(), nullptr, 10);
  while (buffer.size() < body_bytes) {
    if (!ReadMore(connection, buffer)) return std::nullopt;
  }
  parsed.body = buffer.substr(0, body_bytes);
  buffer.erase(0, body_bytes);
  return parsed;
}

FakeS3::Answer FakeS3::AnswerTo(const Parsed& parsed) {
  Hook hook;
  {
    const std::scoped_lock lock(mutex_);
    hook = hook_;
  }
  if (hook) {
    if (auto answer = hook(parsed.request)) return *std::move(answer);
  }
  const std::scoped_lock lock(mutex_);
  const std::string& name = parsed.request.name;
  if (parsed.request.method == "LIST") return List(parsed);
  if (parsed.request.method == "GET") return Get(parsed);
  if (parsed.request.method == "DELETE") {
    objects_.erase(name);
    return {204, "", ""};
  }
  if (parsed.headers.contains("if-none-match") && objects_.contains(name)) return {412, "", ""};
  if (!Matches(parsed)) return {412, "", ""};
  objects_[name] = parsed.body;
  return {200, "", EtagHeader(parsed.body)};
}

bool FakeS3::Matches(const Parsed& parsed) const {
  const auto etag = parsed.headers.find("if-match");
  if (etag == parsed.headers.end() || if_match_ == IfMatch::kIgnored) return true;
  const auto object = objects_.find(parsed.request.name);
  if (object == objects_.end()) return false;
  const std::string bare = EtagOf(object->second);
  return etag->second == (if_match_ == IfMatch::kBare ? bare : absl::StrCat("\"", bare, "\""));
}

FakeS3::Answer FakeS3::List(const Parsed& parsed) const {
  const auto after = parsed.query.find("start-after");
  const std::size_t limit = std::strtoull(parsed.query.at("max-keys").c_str(), nullptr, 10);
  const std::string& prefix = parsed.request.name;
  auto i = objects_.lower_bound(prefix);
  if (after != parsed.query.end() && after->second >= prefix) i = objects_.upper_bound(after->second);
  std::string entries;
  for (std::size_t n = 0; n < limit && i != objects_.end() && i->first.starts_with(prefix); ++n, ++i) {
    absl::StrAppend(&entries, "<Contents><Key>", i->first, "</Key><Size>", i->second.size(), "</Size></Contents>");
  }
  const bool more = i != objects_.end() && i->first.starts_with(prefix);
  return {200,
          absl::StrCat("<ListBucketResult><IsTruncated>", more ? "true" : "false", "</IsTruncated>", entries,
                       "</ListBucketResult>"),
          ""};
}

FakeS3::Answer FakeS3::Get(const Parsed& parsed) const {
  const auto object = objects_.find(parsed.request.name);
  if (object == objects_.end()) return {404, "<Error><Code>NoSuchKey</Code></Error>", ""};
  const std::string& bytes = object->second;
  const std::string range = parsed.headers.at("range").substr(std::string_view("bytes=").size());
  const std::size_t first = std::strtoull(range.c_str(), nullptr, 10);
  const std::size_t last = std::strtoull(range.c_str() + range.find('-') + 1, nullptr, 10);
  if (first >= bytes.size()) return {416, "<Error><Code>InvalidRange</Code></Error>", ""};
  const std::string some = bytes.substr(first, last - first + 1);
  return {206, some,
          absl::StrCat(EtagHeader(bytes), "Content-Range: bytes ", first, "-", first + some.size() - 1, "/",
                       bytes.size(), "\r\n")};
}

}  // namespace dcac::store
