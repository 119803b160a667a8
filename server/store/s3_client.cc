#include "server/store/s3_client.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "server/store/aws_signature.h"
#include "server/store/operator_text.h"
#include "server/store/s3_xml.h"

namespace dcac::store {
namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kLongestWait{2'000};
constexpr std::chrono::milliseconds kLookForCancellation{20};
// All that the five stores that were tried accept alike; what is stored has checksums of our own.
constexpr std::string_view kPayloadHash = "UNSIGNED-PAYLOAD";

bool IsLoopback(std::string_view host) {
  host = host.substr(0, host.rfind(':'));
  return host == "127.0.0.1" || host == "localhost" || host == "[::1]";
}

bool AsksForPatience(int status) {
  return status >= 500 || status == 429 || status == 408;
}

// Expired tokens and unknown keys; of rights that are missing, too, and of what is wrong with a request.
bool RefusesCredentials(int status) {
  return status == 400 || status == 401 || status == 403;
}
constexpr int kMostRefusals = 3;  // of one call, each of other credentials

std::chrono::milliseconds AtRandom(std::chrono::milliseconds most) {
  thread_local std::minstd_rand random(std::random_device{}());
  return most / 2 + std::chrono::milliseconds(random() % static_cast<unsigned>(most.count() / 2 + 1));
}

bool IsCancelled(const CallControl& control) {
  return control.cancelled != nullptr && control.cancelled->load(std::memory_order_relaxed);
}

// False: the call was cancelled, or its time is over.
bool Wait(std::chrono::milliseconds time, SteadyClock::time_point end, const CallControl& control) {
  const auto until = SteadyClock::now() + AtRandom(time);
  if (until >= end) return false;
  while (SteadyClock::now() < until) {
    if (IsCancelled(control)) return false;
    std::this_thread::sleep_for(std::min<SteadyClock::duration>(until - SteadyClock::now(), kLookForCancellation));
  }
  return true;
}

}  // namespace

S3Client::S3Client(S3ClientOptions options) : options_(std::move(options)), credentials_(options_.credentials) {
  const bool aws = options_.endpoint.empty();
  url_ = aws ? absl::StrCat("https://", options_.bucket, ".s3.", options_.region, ".amazonaws.com") : options_.endpoint;
  while (!url_.empty() && url_.back() == '/') url_.pop_back();
  const std::size_t scheme = url_.find("://");
  host_ = scheme == std::string::npos ? url_ : url_.substr(scheme + 3);
  path_ = aws ? "" : absl::StrCat("/", UriEncoded(options_.bucket, false));
  http_ = std::make_unique<HttpClient>(options_.timeouts, !IsLoopback(host_));
}

AwsCredentials S3Client::Credentials() const {
  const std::scoped_lock lock(credentials_mutex_);
  return credentials_;
}

bool S3Client::HasOthers(const AwsCredentials& refused) {
  if (!options_.read_credentials) return false;
  const std::scoped_lock lock(credentials_mutex_);
  if (credentials_ != refused) return true;
  absl::StatusOr<AwsCredentials> found = options_.read_credentials();
  if (!found.ok() || *found == refused) return false;
  credentials_ = *std::move(found);
  return true;
}

absl::StatusOr<HttpResponse> S3Client::Once(const Call& call, const AwsCredentials& credentials,
                                            const CallControl& control) {
  SignedParts parts{call.method, absl::StrCat(path_, "/", UriEncoded(call.name, true)), call.query, call.headers};
  parts.headers["host"] = host_;
  parts.headers["x-amz-content-sha256"] = std::string(kPayloadHash);
  SignRequest(credentials, options_.region, "s3", kPayloadHash, options_.clock(), parts);
  HttpRequest request;
  request.method = call.method;
  request.url = absl::StrCat(url_, parts.path, call.query.empty() ? "" : "?", CanonicalQuery(call.query));
  for (const auto& [name, value] : parts.headers) request.headers.push_back(absl::StrCat(name, ": ", value));
  request.body = call.body;
  request.out = call.out;
  return http_->Do(request, control);
}

absl::StatusOr<HttpResponse> S3Client::Do(const Call& call, const CallControl& control) {
  const auto end = std::min(control.deadline, SteadyClock::now() + options_.retry_for);
  int refusals = 0;
  for (auto wait = options_.first_wait;; wait = std::min(2 * wait, kLongestWait)) {
    const AwsCredentials credentials = Credentials();
    absl::StatusOr<HttpResponse> response = Once(call, credentials, control);
    absl::Status error = response.status();
    if (response.ok()) {
      if (response->status >= 200 && response->status < 300) return response;
      if (RefusesCredentials(response->status) && refusals++ < kMostRefusals && HasOthers(credentials)) continue;
      error = ErrorOf(call, *response);
    }
    if (!absl::IsUnavailable(error)) return error;
    if (!Wait(wait, end, control)) {
      if (IsCancelled(control)) return absl::CancelledError("cancelled");
      const auto code = end == control.deadline ? absl::StatusCode::kDeadlineExceeded : absl::StatusCode::kUnavailable;
      return WithOperatorText(
          absl::Status(code, absl::StrCat("the S3 store does not serve: ", std::string(error.message()))),
          OperatorText(error));
    }
  }
}

absl::Status S3Client::ErrorOf(const Call& call, const HttpResponse& response) {
  const S3Error told = ParseErrorAnswer(response.text);
  return WithOperatorText(ErrorOf(call, response.status, told.code), told.message);
}

absl::Status S3Client::ErrorOf(const Call& call, int status, const std::string& code) {
  const std::string what = absl::StrCat("status ", status, code.empty() ? "" : " ", code);
  const bool if_match = call.headers.contains("if-match");
  const bool condition = if_match || call.headers.contains("if-none-match");
  // Another conditional PUT is on its way: whether it wins is known soon.
  if (AsksForPatience(status) || (condition && status == 409)) return absl::UnavailableError(what);
  if (if_match && (status == 412 || status == 404) && code != "NoSuchBucket") {
    return absl::AbortedError("the object of this name is another one");
  }
  if (condition && status == 412) return absl::AlreadyExistsError("there is an object of this name");
  if (status == 404 && code != "NoSuchBucket") return absl::NotFoundError("no such object");
  if (status == 501) return absl::UnimplementedError(what);
  const bool is_of_token = code == "ExpiredToken" || code == "InvalidToken" || code == "TokenRefreshRequired";
  if (status == 403 || status == 401 || status == 404 || status == 301 || is_of_token) {
    return absl::FailedPreconditionError(absl::StrCat("the S3 store refuses access to bucket: ", what));
  }
  return absl::InternalError(absl::StrCat("the S3 store answers ", call.method, " with ", what));
}

absl::Status S3Client::Put(const std::string& name, std::vector<std::span<const std::byte>> pieces, bool if_absent,
                           const CallControl& control) {
  Call call{"PUT", name, {}, {}, std::move(pieces), {}};
  if (if_absent) call.headers["if-none-match"] = "*";
  return Do(call, control).status();
}

absl::Status S3Client::PutIfMatch(const std::string& name, std::vector<std::span<const std::byte>> pieces,
                                  const std::string& etag, const CallControl& control) {
  Call call{"PUT", name, {}, {}, std::move(pieces), {}};
  call.headers["if-match"] = etag;
  return Do(call, control).status();
}

absl::StatusOr<S3Got> S3Client::Get(const std::string& name, std::uint64_t offset, std::span<std::byte> out,
                                    const CallControl& control) {
  Call call{"GET", name, {}, {}, {}, out};
  call.headers["range"] = absl::StrCat("bytes=", offset, "-", offset + out.size() - 1);
  DCAC_ASSIGN_OR_RETURN(HttpResponse response, Do(call, control));
  if (response.status != 206) {
    return absl::InternalError(
        absl::StrCat("the S3 store answers a GET of a range with status ", response.status, ", expected 206"));
  }
  return S3Got{response.out_bytes, response.total_bytes, std::move(response.etag)};
}

absl::Status S3Client::Delete(const std::string& name, const CallControl& control) {
  const absl::Status status = Do({"DELETE", name, {}, {}, {}, {}}, control).status();
  return absl::IsNotFound(status) ? absl::OkStatus() : status;
}

absl::StatusOr<S3ListPage> S3Client::List(const std::string& prefix, const std::string& start_after, std::size_t limit,
                                          const CallControl& control) {
  Call call{"GET", "", {}, {}, {}, {}};
  call.query = {{"list-type", "2"}, {"prefix", prefix}, {"max-keys", absl::StrCat(std::min<std::size_t>(limit, 1000))}};
  if (!start_after.empty()) call.query["start-after"] = start_after;
  DCAC_ASSIGN_OR_RETURN(const HttpResponse response, Do(call, control));
  DCAC_ASSIGN_OR_RETURN(S3ListPage page, ParseListAnswer(response.text));
  const std::string* last = &start_after;
  for (const S3Entry& entry : page.entries) {
    if (!entry.name.starts_with(prefix) || entry.name <= *last) {
      return absl::InternalError("the S3 store lists names out of order or others than those asked for");
    }
    last = &entry.name;
  }
  return page;
}

void InParallel(std::size_t count, std::size_t parallel, const std::function<void(std::size_t)>& call) {
  std::atomic<std::size_t> next{0};
  std::mutex mutex;
  std::exception_ptr thrown;
  const auto work = [&] {
    try {
      for (std::size_t i = next++; i < count; i = next++) call(i);
    } catch (...) {
      next = count;
      const std::scoped_lock lock(mutex);
      thrown = std::current_exception();
    }
  };
  {
    std::vector<std::jthread> threads;
    try {
      for (std::size_t i = 1; i < std::min(count, parallel); ++i) threads.emplace_back(work);
    } catch (const std::exception&) {
      // There can be no more of them: those that there are do all of it.
    }
    work();
  }
  if (thrown) std::rethrow_exception(thrown);
}

}  // namespace dcac::store
