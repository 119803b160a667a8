#include "tests/bench/store_objects.h"

#include <grpcpp/grpcpp.h>
#include <signal.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <thread>

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
constexpr int kFloorPutsPerSecond = 2000;
constexpr double kMaxRestartSeconds = 2;
constexpr std::uint64_t kPlanes = 512, kPlanesOfGet = 8;

// Items of 4 KiB from all over the samples.
v1::BatchPutRequest Item(const Tensor& planes, std::uint64_t number) {
  const std::size_t places = planes.data.size() / kSmallBytes;
  const std::byte* const data = planes.data.data() + number * 7919 % places * kSmallBytes;
  const std::uint64_t samples = kSmallBytes / SampleBytes(planes.spec.dtype);
  const TensorSpec spec{.dtype = planes.spec.dtype, .shape = {1, samples / 32, 32}};
  v1::BatchPutRequest item;
  item.set_item_id(number);
  item.set_key(absl::StrCat("small/", number));
  wire::ToProto(spec, item.mutable_tensor()->mutable_spec());
  item.set_data(data, kSmallBytes);
  return item;
}

// The objects from `begin` to `end`; as many as may be unanswered are under way.
void BatchPut(const testing::StoreClient& store, const Tensor& planes, int begin, int end) {
  grpc::ClientContext context;
  const auto stream = store.stub().BatchPut(&context);
  v1::BatchPutResponse response;
  int answered = begin;
  for (int sent = begin; answered < end; ++answered) {
    for (; sent < end && sent - answered < static_cast<int>(wire::kMaxUnansweredChunks); ++sent) {
      stream->Write(Item(planes, static_cast<std::uint64_t>(sent)));
    }
    if (!stream->Read(&response)) break;
    if (response.code() != 0) Require(absl::UnknownError(response.message()), "BatchPut");
  }
  stream->WritesDone();
  const grpc::Status status = stream->Finish();
  if (!status.ok() || answered < end) Require(absl::UnknownError(status.error_message()), "BatchPut");
}

double PutAll(const std::string& address, const Tensor& planes, int objects) {
  return SecondsOf([&] {
    std::vector<std::thread> threads;
    for (int i = 0; i < kStreams; ++i) {
      threads.emplace_back([&, i] {
        const testing::StoreClient store(address);
        BatchPut(store, planes, static_cast<int>(std::int64_t{objects} * i / kStreams),
                 static_cast<int>(std::int64_t{objects} * (i + 1) / kStreams));
      });
    }
    for (std::thread& thread : threads) thread.join();
  });
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
  const double put_seconds = PutAll(address, planes, objects);
  server->Signal(SIGKILL);
  server->Wait();
  const double restart_seconds = SecondsOf([&] { server.emplace(arguments); });
  const client::Client client = Require(client::Client::Connect(address), "connect");
  const client::StoreUsage usage = Require(client::Store(client).Usage(), "usage");
  const double puts_per_second = objects / put_seconds;
  std::printf("%d objects of 4 KiB, BatchPut in %d streams, interval: %.0f puts/s; restart after a kill: %.2f s\n",
              objects, kStreams, puts_per_second, restart_seconds);
  floors.Check("small objects after the restart", static_cast<double>(usage.objects), objects);
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
