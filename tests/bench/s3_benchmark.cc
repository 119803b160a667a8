// The store in a bucket next to plain libcurl, measured in turns in one run on the bucket of AWS_ENDPOINT_URL and
// S3_BUCKET: blocks of 4 MB that are put at once or as an upload that may be resumed, next to a PUT of the same bytes,
// and fetched next to a GET, on one kept connection.
//
//   tests/cluster/run_with_s3.py s3_benchmark [--rounds=N] [--no-floors]
//
// Times are medians in milliseconds, and behind each its speed over that of libcurl.  Exit status 1: a floor is missed;
// stderr says which.
#include <curl/curl.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <random>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/store/aws_signature.h"
#include "server/store/record.h"
#include "server/store/s3_store.h"
#include "tests/bench/store_timing.h"

namespace dcac::bench {
namespace {

constexpr std::size_t kBlockBytes = 4'000'000;
constexpr double kFloor = 0.8;

// Objects by nothing but libcurl; the S3 servers of the tests do not all take its own signatures.
class PlainS3 {
 public:
  explicit PlainS3(const store::S3ClientOptions& options)
      : options_(options), host_(options.endpoint.substr(options.endpoint.find("//") + 2)) {}

  void Put(const std::string& name, std::span<const std::byte> bytes) {
    Prepare("PUT", name);
    curl_easy_setopt(curl_.get(), CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(curl_.get(), CURLOPT_INFILESIZE_LARGE, static_cast<curl_off_t>(bytes.size()));
    curl_easy_setopt(curl_.get(), CURLOPT_READFUNCTION, Send);
    curl_easy_setopt(curl_.get(), CURLOPT_READDATA, &bytes);
    Perform("PUT");
  }

  // The object has the size of `out`.
  void Get(const std::string& name, std::span<std::byte> out) {
    Prepare("GET", name);
    curl_easy_setopt(curl_.get(), CURLOPT_WRITEFUNCTION, Receive);
    curl_easy_setopt(curl_.get(), CURLOPT_WRITEDATA, &out);
    Perform("GET");
    if (!out.empty()) throw std::runtime_error("GET: the object is shorter than what was put");
  }

 private:
  static std::size_t Send(char* out, std::size_t, std::size_t room, void* pointer) {
    auto& rest = *static_cast<std::span<const std::byte>*>(pointer);
    const std::size_t size = std::min(room, rest.size());
    std::memcpy(out, rest.data(), size);
    rest = rest.subspan(size);
    return size;
  }

  static std::size_t Receive(char* bytes, std::size_t, std::size_t size, void* pointer) {
    auto& rest = *static_cast<std::span<std::byte>*>(pointer);
    if (size > rest.size()) return 0;
    std::memcpy(rest.data(), bytes, size);
    rest = rest.subspan(size);
    return size;
  }

  void Prepare(const char* method, const std::string& name) {
    constexpr long kBufferBytes = 512L << 10;
    constexpr char kUnsigned[] = "UNSIGNED-PAYLOAD";
    store::SignedParts request{.method = method,
                               .path = absl::StrCat("/", options_.bucket, "/", name),
                               .query = {},
                               .headers = {{"host", host_}, {"x-amz-content-sha256", kUnsigned}}};
    const store::Time now = std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
    store::SignRequest(options_.credentials, options_.region, "s3", kUnsigned, now, request);
    headers_.reset(curl_slist_append(nullptr, "Expect:"));
    for (const auto& [header, value] : request.headers) {
      curl_slist_append(headers_.get(), absl::StrCat(header, ": ", value).c_str());
    }
    CURL* const curl = curl_.get();
    curl_easy_reset(curl);
    curl_easy_setopt(curl, CURLOPT_URL, (options_.endpoint + request.path).c_str());
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers_.get());
    curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(curl, CURLOPT_FAILONERROR, 1L);
    curl_easy_setopt(curl, CURLOPT_BUFFERSIZE, kBufferBytes);
    curl_easy_setopt(curl, CURLOPT_UPLOAD_BUFFERSIZE, kBufferBytes);
  }

  void Perform(const char* method) {
    const CURLcode code = curl_easy_perform(curl_.get());
    if (code != CURLE_OK) throw std::runtime_error(absl::StrCat(method, ": ", curl_easy_strerror(code)));
  }

  const store::S3ClientOptions options_;
  const std::string host_;
  const std::unique_ptr<CURL, void (*)(CURL*)> curl_{curl_easy_init(), curl_easy_cleanup};
  std::unique_ptr<curl_slist, void (*)(curl_slist*)> headers_{nullptr, curl_slist_free_all};
};

void PutAsUpload(store::BlockStore& store, const std::string& key, std::span<const std::byte> bytes) {
  const auto upload =
      Require(store.Begin({.key = key, .expected_bytes = bytes.size(), .state = "state"}, {}), "upload");
  Require(upload->Append(bytes, {}), "upload");
  Require(upload->Commit({}, {}).status(), "upload");
}

void Get(store::BlockStore& store, const std::string& key, std::span<std::byte> out) {
  Require(Require(store.Open(key, {}), "get")->Read(0, out, {}), "get");
}

int Run(int argc, char** argv) {
  CLI::App app;
  int rounds = 41;
  bool no_floors = false;
  app.add_option("--rounds", rounds)->check(CLI::PositiveNumber);
  app.add_flag("--no-floors", no_floors);
  CLI11_PARSE(app, argc, argv);
  const char* const bucket = std::getenv("S3_BUCKET");
  if (bucket == nullptr) throw std::runtime_error("S3_BUCKET names no bucket");
  const std::string folder = absl::StrCat("bench-", store::RandomId());
  const store::S3StoreOptions options =
      Require(store::S3StoreOptionsOf(absl::StrCat(bucket, "/", folder), store::ReadEnvironment), "bucket");
  PlainS3 plain(options.client);
  const std::unique_ptr<store::BlockStore> store = Require(store::OpenS3Store(options), "store");

  std::vector<std::byte> bytes(kBlockBytes);
  std::mt19937_64 random(1);
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(random());
  std::vector<double> plain_puts, puts, uploads, plain_gets, gets;
  for (int round = -1; round < rounds; ++round) {
    Require(store->Maintain({}), "upkeep");
    const std::string name = absl::StrCat(folder, "/plain/", round), key = absl::StrCat("bench/", round);
    const auto get = [&](const auto& work) {
      std::vector<std::byte> out(kBlockBytes);
      const double seconds = SecondsOf([&] { work(out); });
      if (!std::ranges::equal(out, bytes)) throw std::runtime_error("what was fetched is not what was put");
      return seconds;
    };
    const double times[] = {
        SecondsOf([&] { plain.Put(name, bytes); }),
        SecondsOf([&] {
          const store::SmallBlock block{key, bytes, {}};
          Require(store->PutMany({&block, 1}, {}).front().status(), "put");
        }),
        SecondsOf([&] { PutAsUpload(*store, key + "-upload", bytes); }),
        get([&](std::span<std::byte> out) { plain.Get(name, out); }),
        get([&](std::span<std::byte> out) { Get(*store, key, out); }),
    };
    if (round < 0) continue;  // to warm up: connections, memory
    std::vector<double>* const columns[] = {&plain_puts, &puts, &uploads, &plain_gets, &gets};
    for (std::size_t i = 0; i < std::size(columns); ++i) columns[i]->push_back(times[i]);
  }

  Floors floors("s3_benchmark");
  const auto print = [&](const char* what, const std::vector<double>& times, const std::vector<double>& peer) {
    const double share = Median(peer) / Median(times);
    std::printf("%-7s %7.2f ms %4.0f %%\n", what, 1e3 * Median(times), 100 * share);
    floors.Check(what, share, kFloor);
  };
  print("PUT", plain_puts, plain_puts);
  print("put", puts, plain_puts);
  print("upload", uploads, plain_puts);
  print("GET", plain_gets, plain_gets);
  print("get", gets, plain_gets);
  return floors.misses() > 0 && !no_floors ? 1 : 0;
}

}  // namespace
}  // namespace dcac::bench

int main(int argc, char** argv) {
  return dcac::bench::ExitStatusOf("s3_benchmark", [&] { return dcac::bench::Run(argc, argv); });
}
