#include "tests/bench/store_objects.h"

#include <grpcpp/grpcpp.h>
#include <signal.h>

#include <algorithm>
#include <cstdint>
#include <future>
#include <optional>
#include <span>

#include "absl/strings/str_cat.h"
#include "dcac/client_store.h"
#include "dcac/codec.h"
#include "dcac/v1/store.grpc.pb.h"
#include "proto/wire/convert.h"
#include "proto/wire/limits.h"
#include "tests/integration/server_process.h"
#include "tests/integration/store_calls.h"

namespace dcac::bench {
namespace {

constexpr std::size_t kSmallBytes = 4096;
constexpr int kStreams = 4;
constexpr int kObjectsPerTensor = 10;  // of frames, for each tensor that the server has to compress
constexpr int kFloorPutsPerSecond = 2000;
constexpr double kMaxRestartSeconds = 2;
constexpr std::uint64_t kPlanes = 512, kPlanesOfGet = 8;

// Tensors of 4 KiB from all over the samples; as frames where the client compresses.
std::vector<v1::BatchPutRequest> Contents(const Tensor& planes, bool as_frames) {
  constexpr std::size_t kContents = 500, kStride = 7919;
  const std::size_t places = planes.data.size() / kSmallBytes;
  const std::uint64_t samples = kSmallBytes / SampleBytes(planes.spec.dtype);
  const TensorSpec spec{.dtype = planes.spec.dtype, .shape = {1, samples / 32, 32}};
  std::vector<v1::BatchPutRequest> contents(kContents);
  for (std::size_t i = 0; i < kContents; ++i) {
    const auto data = std::span(planes.data).subspan(i * kStride % places * kSmallBytes, kSmallBytes);
    if (as_frames) {
      const std::vector<std::byte> frame = Require(Compress(spec, data), "compress");
      contents[i].mutable_frame()->set_stored_bytes(frame.size());
      contents[i].set_data(frame.data(), frame.size());
    } else {
      wire::ToProto(spec, contents[i].mutable_tensor()->mutable_spec());
      contents[i].set_data(data.data(), data.size());
    }
  }
  return contents;
}

// The objects from `begin` to `end`; as many as may be unanswered are under way.
void BatchPut(const testing::StoreClient& store, const std::vector<v1::BatchPutRequest>& contents,
              const std::string& prefix, int begin, int end) {
  grpc::ClientContext context;
  const auto stream = store.stub().BatchPut(&context);
  v1::BatchPutResponse response;
  int answered = begin;
  for (int sent = begin; answered < end; ++answered) {
    for (; sent < end && sent - answered < static_cast<int>(wire::kMaxUnansweredChunks); ++sent) {
      v1::BatchPutRequest item = contents[static_cast<std::size_t>(sent) % contents.size()];
      item.set_item_id(static_cast<std::uint64_t>(sent));
      item.set_key(absl::StrCat(prefix, sent));
      stream->Write(item);
    }
    if (!stream->Read(&response)) break;
    if (response.code() != 0) Require(absl::UnknownError(response.message()), "BatchPut");
  }
  stream->WritesDone();
  const grpc::Status status = stream->Finish();
  if (!status.ok() || answered < end) Require(absl::UnknownError(status.error_message()), "BatchPut");
}

// Puts per second.
double PutAll(const std::string& address, const std::vector<v1::BatchPutRequest>& contents, const std::string& prefix,
              int objects) {
  const double seconds = SecondsOf([&] {
    std::vector<std::future<void>> streams;
    for (int i = 0; i < kStreams; ++i) {
      const int begin = static_cast<int>(std::int64_t{objects} * i / kStreams);
      const int end = static_cast<int>(std::int64_t{objects} * (i + 1) / kStreams);
      streams.push_back(std::async(std::launch::async, [&, begin, end] {
        BatchPut(testing::StoreClient(address), contents, prefix, begin, end);
      }));
    }
    for (std::future<void>& stream : streams) stream.get();
  });
  return objects / seconds;
}

// 512 of the planes, again from the first where there are fewer.
Tensor FirstPlanes(const Tensor& planes) {
  const std::vector<std::uint64_t>& shape = planes.spec.shape;
  const TensorSpec spec{.dtype = planes.spec.dtype, .shape = {1, kPlanes, shape[shape.size() - 2], shape.back()}};
  Tensor tensor{spec, {}};
  const auto bytes = static_cast<std::size_t>(Require(TensorBytes(spec), "spec of planes"));
  while (tensor.data.size() < bytes) {
    tensor.data.insert(tensor.data.end(), planes.data.begin(), planes.data.end());
  }
  tensor.data.resize(bytes);
  return tensor;
}

}  // namespace

void MeasureSmallObjects(const std::string& folder, const Tensor& planes, int objects, Floors& floors) {
  const std::string address = absl::StrCat("unix:", folder, "/small.sock");
  const std::vector<std::string> arguments = {"--listen=" + address, "--store=local:" + folder + "/small",
                                              "--store-fsync=interval"};
  std::optional<testing::ServerProcess> server(arguments);
  const int tensors = objects / kObjectsPerTensor;
  const double tensors_per_second = PutAll(address, Contents(planes, /*as_frames=*/false), "tensor/", tensors);
  const double puts_per_second = PutAll(address, Contents(planes, /*as_frames=*/true), "frame/", objects);
  server->Signal(SIGKILL);
  server->Wait();
  const double restart_seconds = SecondsOf([&] { server.emplace(arguments); });
  const client::Client client = Require(client::Client::Connect(address), "connect");
  const client::StoreUsage usage = Require(client::Store(client).Usage(), "usage");
  std::printf(
      "%d objects of 4 KiB, BatchPut in %d streams, interval: %.0f frames/s, %.0f tensors/s; "
      "restart after a kill: %.2f s\n",
      objects + tensors, kStreams, puts_per_second, tensors_per_second, restart_seconds);
  floors.Check("small objects after the restart", static_cast<double>(usage.objects), objects + tensors);
  floors.Check("small objects put per second", puts_per_second, kFloorPutsPerSecond);
  floors.Check("restarts in 2 s", kMaxRestartSeconds / restart_seconds, 1);
}

void MeasurePlanes(const std::string& address, const Tensor& planes, Floors& floors) {
  const Tensor tensor = FirstPlanes(planes);
  const std::size_t plane_bytes = tensor.data.size() / kPlanes;
  const std::vector<std::byte> frame = Require(Compress(tensor.spec, tensor.data), "compress");
  const client::Client client = Require(client::Client::Connect(address), "connect");
  Require(client::Store(client).PutFrame("bench/planes", AccessMemory(frame)), "put of planes");
  const testing::StoreClient store(address);
  v1::GetRequest request;
  request.set_key("bench/planes");
  constexpr std::uint64_t kFirst = kPlanes / 2, kEnd = kFirst + kPlanesOfGet;
  request.mutable_slice()->set_plane_begin(kFirst);
  request.mutable_slice()->set_plane_end(kEnd);
  testing::GetOutcome got;
  const double seconds = SecondsOf([&] { got = store.Get(request); });
  const auto wanted = std::span(tensor.data).subspan(kFirst * plane_bytes, kPlanesOfGet * plane_bytes);
  if (!std::ranges::equal(got.bytes, wanted)) Require(absl::DataLossError("other samples"), "get of planes");
  const std::vector<SegmentInfo> segments = Require(Inspect(frame), "inspect").segments;
  const auto needed = std::ranges::count_if(
      segments, [](const SegmentInfo& s) { return s.plane_begin < kEnd && kFirst < s.plane_end; });
  std::printf("8 of 512 planes, %zu of %zu bytes: %lu of %zu segments decoded, %lu of %zu bytes read, %.1f ms\n",
              got.bytes.size(), tensor.data.size(), got.trailer.decoded_segments(), segments.size(),
              got.trailer.read_bytes(), frame.size(), 1000 * seconds);
  floors.Check("needed segments of 8 planes, of those decoded",
               static_cast<double>(needed) / static_cast<double>(got.trailer.decoded_segments()), 1);
  floors.Check("segments of 512 planes", static_cast<double>(segments.size()), 2);
}

}  // namespace dcac::bench
