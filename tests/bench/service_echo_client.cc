// The other end of service_echo_server.
//
//     service_echo_client ADDRESS CONCURRENCY SECONDS IN_BYTES OUT_BYTES
//
// Workers with a connection each run streams of IN_BYTES there and OUT_BYTES back, one after the other; as many chunks
// are unanswered as a client of dcac.v1.CompressionService may leave so.  Prints the bytes that went there and the
// processor time of this process as a JSON object.
#include <grpcpp/grpcpp.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <deque>
#include <iostream>
#include <string>
#include <thread>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "core/base/allocator.h"
#include "dcac/v1/compression.grpc.pb.h"
#include "proto/wire/limits.h"

namespace dcac {
namespace {

using Clock = std::chrono::steady_clock;

struct Settings {
  std::string address;
  int concurrency;
  double seconds;
  std::uint64_t in_bytes;
  std::uint64_t out_bytes;
};

class EchoStream {
 public:
  EchoStream(v1::CompressionService::Stub& stub, const Settings& settings, const std::string& bytes)
      : settings_(settings), bytes_(bytes), stream_(stub.Compress(&context_)) {}

  // False: the call failed, or fewer bytes came back than were to.
  bool Run() {
    v1::CompressRequest request;
    request.mutable_header()->mutable_spec()->add_shape(settings_.in_bytes);
    request.mutable_header()->mutable_spec()->add_shape(settings_.out_bytes);
    stream_->Write(request);
    bool writing = true;
    do {
      while (writing && unanswered_ends_.size() < wire::kMaxUnansweredChunks) writing = SendNext();
    } while (ReadNext());
    return stream_->Finish().ok() && received_bytes_ == settings_.out_bytes;
  }

 private:
  // False: that was all.
  bool SendNext() {
    const std::uint64_t count = std::min<std::uint64_t>(wire::kDefaultChunkBytes, settings_.in_bytes - sent_bytes_);
    if (count == 0) {
      stream_->WritesDone();
      return false;
    }
    request_.mutable_chunk()->set_offset(sent_bytes_);
    request_.mutable_chunk()->set_data(bytes_.data(), count);
    sent_bytes_ += count;
    unanswered_ends_.push_back(sent_bytes_);
    return stream_->Write(request_);
  }

  bool ReadNext() {
    if (!stream_->Read(&response_)) return false;
    received_bytes_ += response_.chunk().data().size();
    while (!unanswered_ends_.empty() && unanswered_ends_.front() <= response_.consumed_bytes()) {
      unanswered_ends_.pop_front();
    }
    return true;
  }

  const Settings& settings_;
  const std::string& bytes_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReaderWriter<v1::CompressRequest, v1::CompressResponse>> stream_;
  v1::CompressRequest request_;
  v1::CompressResponse response_;
  std::deque<std::uint64_t> unanswered_ends_;
  std::uint64_t sent_bytes_ = 0, received_bytes_ = 0;
};

// Returns how many streams it ran; -1: one failed.
int RunWorker(const Settings& settings) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetMaxReceiveMessageSize(static_cast<int>(wire::kMaxMessageBytes));
  const auto stub = v1::CompressionService::NewStub(
      grpc::CreateCustomChannel(settings.address, grpc::InsecureChannelCredentials(), arguments));
  const std::string bytes(wire::kDefaultChunkBytes, 'x');
  const Clock::time_point end =
      Clock::now() + std::chrono::nanoseconds(static_cast<std::int64_t>(settings.seconds * 1e9));
  int streams = 0;
  do {
    if (!EchoStream(*stub, settings, bytes).Run()) return -1;
    ++streams;
  } while (Clock::now() < end);
  return streams;
}

double OwnCpuSeconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec);
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

int Run(const Settings& settings) {
  // As the program `dcac`.
  KeepMemoryOfMessages();
  setenv("GRPC_POLL_STRATEGY", "poll", /*overwrite=*/0);
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  std::vector<int> streams(static_cast<std::size_t>(settings.concurrency));
  std::vector<std::thread> threads;
  for (int& count : streams) threads.emplace_back([&] { count = RunWorker(settings); });
  for (std::thread& thread : threads) thread.join();
  std::uint64_t sum = 0;
  for (const int count : streams) {
    if (count < 0) return 1;
    sum += static_cast<std::uint64_t>(count);
  }
  std::cout << "{\"in_bytes\": " << sum * settings.in_bytes << ", \"client_cpu_s\": " << OwnCpuSeconds() << "}\n";
  return 0;
}

}  // namespace
}  // namespace dcac

int main(int argc, char** argv) {
  if (argc != 6) {
    std::cerr << "usage: service_echo_client ADDRESS CONCURRENCY SECONDS IN_BYTES OUT_BYTES\n";
    return 2;
  }
  return dcac::Run({.address = argv[1],
                    .concurrency = std::atoi(argv[2]),
                    .seconds = std::atof(argv[3]),
                    .in_bytes = std::strtoull(argv[4], nullptr, 10),
                    .out_bytes = std::strtoull(argv[5], nullptr, 10)});
}
