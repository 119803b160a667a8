// The transport of a Compress stream without its work: what gRPC alone takes for so many bytes in and out.
//
//     service_echo_server ADDRESS
//
// Speaks Compress of dcac.v1.CompressionService, but shape[0] of the header is the number of bytes that come, and
// shape[1] the number of bytes that are to go back, spread evenly over them; which ones is of no interest.  Says
// "listening" when it does, and ends when its standard input does.
#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <cstdint>
#include <iostream>
#include <memory>
#include <mutex>
#include <string>

#include "absl/synchronization/mutex.h"
#include "core/base/allocator.h"
#include "dcac/v1/compression.grpc.pb.h"
#include "proto/wire/limits.h"

namespace dcac {
namespace {

// Answers each chunk, as a server has to that grants credit.  Deletes itself.
class EchoReactor final : public grpc::ServerBidiReactor<v1::CompressRequest, v1::CompressResponse> {
 public:
  EchoReactor() { StartRead(&request_); }

  void OnReadDone(bool ok) override {
    const std::lock_guard lock(mutex_);
    if (!ok) {
      ended_ = true;
    } else {
      if (request_.has_header()) {
        in_bytes_ = request_.header().spec().shape(0);
        out_bytes_ = request_.header().spec().shape(1);
      } else {
        received_bytes_ += request_.chunk().data().size();
      }
      StartRead(&request_);
    }
    WriteNext();
  }

  void OnWriteDone(bool ok) override {
    const std::lock_guard lock(mutex_);
    writing_ = false;
    if (ok) {
      WriteNext();
    } else if (!finished_) {
      finished_ = true;
      Finish(grpc::Status::CANCELLED);
    }
  }

  void OnDone() override { delete this; }

 private:
  // The mutex is held.
  void WriteNext() {
    if (writing_ || finished_) return;
    const std::uint64_t due_bytes = in_bytes_ == 0 ? 0 : out_bytes_ * received_bytes_ / in_bytes_;
    const std::uint64_t chunk_bytes = std::min<std::uint64_t>(due_bytes - sent_bytes_, wire::kDefaultChunkBytes);
    response_.Clear();
    if (chunk_bytes == wire::kDefaultChunkBytes || (ended_ && chunk_bytes > 0)) {
      response_.mutable_chunk()->set_offset(sent_bytes_);
      response_.mutable_chunk()->set_data(Bytes().data(), chunk_bytes);
      sent_bytes_ += chunk_bytes;
    } else if (acknowledged_bytes_ == received_bytes_) {
      if (!ended_) return;
      finished_ = true;
      Finish(grpc::Status::OK);
      return;
    }
    acknowledged_bytes_ = std::min<std::uint64_t>(received_bytes_, acknowledged_bytes_ + wire::kDefaultChunkBytes);
    response_.set_consumed_bytes(acknowledged_bytes_);
    writing_ = true;
    StartWrite(&response_);
  }

  static const std::string& Bytes() {
    static const std::string bytes(wire::kDefaultChunkBytes, 'x');
    return bytes;
  }

  std::mutex mutex_;
  v1::CompressRequest request_;
  v1::CompressResponse response_;
  std::uint64_t in_bytes_ = 0, out_bytes_ = 0;
  std::uint64_t received_bytes_ = 0, acknowledged_bytes_ = 0, sent_bytes_ = 0;
  bool ended_ = false;
  bool writing_ = false;
  bool finished_ = false;
};

class EchoService final : public v1::CompressionService::CallbackService {
  grpc::ServerBidiReactor<v1::CompressRequest, v1::CompressResponse>* Compress(grpc::CallbackServerContext*) override {
    return new EchoReactor();
  }
};

int Serve(const std::string& address) {
  // As dcac-server.
  KeepMemoryOfMessages();
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  EchoService service;
  grpc::ServerBuilder builder;
  builder.SetMaxReceiveMessageSize(static_cast<int>(wire::kMaxMessageBytes));
  builder.AddListeningPort(address, grpc::InsecureServerCredentials());
  builder.RegisterService(&service);
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (server == nullptr) return 1;
  std::cout << "listening" << std::endl;
  while (std::cin.get() != std::char_traits<char>::eof()) {
  }
  server->Shutdown(std::chrono::system_clock::now());
  return 0;
}

}  // namespace
}  // namespace dcac

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: service_echo_server ADDRESS\n";
    return 2;
  }
  return dcac::Serve(argv[1]);
}
