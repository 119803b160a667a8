#include "tests/bench/store_transfers.h"

#include <fcntl.h>
#include <unistd.h>

#include <cmath>
#include <cstring>
#include <functional>
#include <map>
#include <span>

#include "absl/strings/str_cat.h"
#include "dcac/client_store.h"

namespace dcac::bench {
namespace {

constexpr double kFloor = 0.8;
constexpr double kBytesPerMb = 1e6;

using Bytes = std::vector<std::byte>;

absl::Status WriteAndSync(const std::string& file, std::span<const std::byte> bytes) {
  const int fd = open(file.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
  if (fd < 0) return absl::ErrnoToStatus(errno, file);
  absl::Status status;
  while (status.ok() && !bytes.empty()) {
    const ssize_t n = write(fd, bytes.data(), bytes.size());
    if (n < 0) status = absl::ErrnoToStatus(errno, file);
    if (n > 0) bytes = bytes.subspan(static_cast<std::size_t>(n));
  }
  if (status.ok() && fsync(fd) != 0) status = absl::ErrnoToStatus(errno, file);
  close(fd);
  return status;
}

absl::Status ReadAll(const std::string& file, std::span<std::byte> out) {
  const int fd = open(file.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return absl::ErrnoToStatus(errno, file);
  absl::Status status;
  while (status.ok() && !out.empty()) {
    const ssize_t n = read(fd, out.data(), out.size());
    if (n <= 0) status = absl::DataLossError(absl::StrCat(file, ": ends early"));
    if (n > 0) out = out.subspan(static_cast<std::size_t>(n));
  }
  close(fd);
  return status;
}

// The comparison of vectors goes byte by byte and would be a good part of what is timed.
void RequireEqual(const Bytes& got, const Bytes& expected, const char* what) {
  if (got.size() == expected.size() && std::memcmp(got.data(), expected.data(), got.size()) == 0) return;
  Require(absl::DataLossError("other bytes"), what);
}

client::ChunkSource SourceOf(std::span<const std::byte> bytes) {
  return [bytes]() mutable -> absl::StatusOr<std::span<const std::byte>> { return std::exchange(bytes, {}); };
}

client::ChunkSink AppendTo(Bytes& bytes) {
  return [&bytes](std::span<const std::byte> more) {
    bytes.insert(bytes.end(), more.begin(), more.end());
    return absl::OkStatus();
  };
}

// One tensor at one level, and all that is timed of it.
class Transfers {
 public:
  Transfers(const client::Client& client, const std::string& folder, const Tensor& tensor, int level)
      : client_(client), store_(client), folder_(folder), tensor_(tensor) {
    encode_.level = level;
    put_.encode = encode_;
    Compress();
  }

  ~Transfers() { RemoveFile(); }
  Transfers(const Transfers&) = delete;
  Transfers& operator=(const Transfers&) = delete;

  // All of them once, in turns.
  void Round() {
    NewNames();
    Time("Compress", [this] { Compress(); });
    Time("write", [this] { Require(WriteAndSync(file_, frame_), "write"); });
    Time("put", [this] { Put(client::Codec::kServer); });
    Time("put of a frame", [this] { PutFrame(); });
    Time("put, client's codec", [this] { Put(client::Codec::kClient); });
    Time("Decompress", [this] { Decompress(); });
    Time("read", [this] { Require(ReadAll(file_, frame_), "read"); });
    Time("get", [this] { Get(client::Codec::kServer); });
    Time("get of a frame", [this] { GetFrame(); });
    Time("get, client's codec", [this] { Get(client::Codec::kClient); });
  }

  double Milliseconds(const std::string& what) const { return 1000 * Median(seconds_.at(what)); }
  // How fast `what` is next to the slower of the two.
  double OfSlower(const std::string& what, const std::string& a, const std::string& b) const {
    return std::max(Milliseconds(a), Milliseconds(b)) / Milliseconds(what);
  }
  std::size_t frame_bytes() const { return frame_.size(); }

 private:
  void Time(const std::string& what, const std::function<void()>& work) { seconds_[what].push_back(SecondsOf(work)); }

  void RemoveFile() {
    if (!file_.empty()) unlink(file_.c_str());
  }

  // So that nothing has to be replaced.
  void NewNames() {
    RemoveFile();
    file_ = absl::StrCat(folder_, "/plain", ++files_);
    if (stored_) Require(store_.DeletePrefix("bench/tensor"), "delete");
    stored_ = false;
    puts_ = 0;
  }

  std::string NextKey() {
    stored_ = true;
    return key_ = absl::StrCat("bench/tensor", ++puts_);
  }

  client::CallOptions Call(client::Codec codec) const {
    client::CallOptions call;
    call.codec = codec;
    return call;
  }

  void Compress() {
    frame_.clear();
    Require(client_.CompressStream(tensor_.spec, encode_, SourceOf(tensor_.data), AppendTo(frame_),
                                   Call(client::Codec::kServer)),
            "Compress");
  }

  void Decompress() {
    Bytes samples;
    Require(client_.DecompressStream(
                SourceOf(frame_), [](const TensorSpec&) { return absl::OkStatus(); }, AppendTo(samples),
                Call(client::Codec::kServer)),
            "Decompress");
    RequireEqual(samples, tensor_.data, "Decompress");
  }

  void Put(client::Codec codec) {
    Require(store_.Put(NextKey(), tensor_.spec, tensor_.data, put_, Call(codec)), "put");
  }
  void PutFrame() { Require(store_.PutFrame(NextKey(), AccessMemory(frame_), put_), "put of a frame"); }

  void Get(client::Codec codec) {
    const client::StoredTensor got = Require(store_.Get(key_, {}, Call(codec)), "get");
    RequireEqual(got.tensor.data, tensor_.data, "get");
  }
  void GetFrame() {
    Bytes frame;
    Require(store_.GetStored(key_, AppendTo(frame)), "get of a frame");
    RequireEqual(frame, frame_, "get of a frame");
  }

  const client::Client& client_;
  const client::Store store_;
  const std::string folder_;
  const Tensor& tensor_;
  EncodeOptions encode_;
  client::PutOptions put_;
  Bytes frame_;
  std::string file_;
  std::string key_;
  int files_ = 0, puts_ = 0;
  bool stored_ = false;
  std::map<std::string, std::vector<double>> seconds_;
};

void Report(const std::string& name, int level, const Tensor& tensor, const Transfers& transfers, Floors& floors) {
  const double mb = static_cast<double>(tensor.data.size()) / kBytesPerMb;
  const auto ms = [&](const char* what) { return transfers.Milliseconds(what); };
  const std::string of = absl::StrCat(name, " level ", level, ", ", std::round(mb), " MB: ");
  std::printf("%-34s %5d %6.1f %6.2f |", name.c_str(), level, mb,
              static_cast<double>(tensor.data.size()) / static_cast<double>(transfers.frame_bytes()));
  std::printf(" %8.1f %8.1f |", ms("Compress"), ms("write"));
  for (const char* what : {"put", "put, client's codec", "put of a frame"}) {
    const double share = transfers.OfSlower(what, "Compress", "write");
    std::printf(" %8.1f %4.2f", ms(what), share);
    floors.Check(of + what, share, kFloor);
  }
  std::printf(" | %8.1f %8.1f |", ms("Decompress"), ms("read"));
  for (const char* what : {"get", "get, client's codec", "get of a frame"}) {
    const double share = transfers.OfSlower(what, "Decompress", "read");
    std::printf(" %8.1f %4.2f", ms(what), share);
    floors.Check(of + what, share, kFloor);
  }
  std::printf("\n");
  std::fflush(stdout);
}

}  // namespace

Tensor TensorOfBytes(const Tensor& planes, double bytes) {
  const std::vector<std::uint64_t>& shape = planes.spec.shape;
  std::uint64_t all = 1;
  for (std::size_t axis = 0; axis + 2 < shape.size(); ++axis) all *= shape[axis];
  const double plane_bytes = static_cast<double>(planes.data.size()) / static_cast<double>(all);
  const auto count = std::max<std::uint64_t>(1, static_cast<std::uint64_t>(std::lround(bytes / plane_bytes)));
  const std::uint64_t items = std::max<std::uint64_t>(1, (count + all / 2) / all), kept = std::min(count, all);
  Tensor tensor{planes.spec, {}};
  tensor.spec.shape = {items, kept, shape[shape.size() - 2], shape.back()};
  const auto item = std::span(planes.data).first(planes.data.size() / all * kept);
  for (std::uint64_t i = 0; i < items; ++i) tensor.data.insert(tensor.data.end(), item.begin(), item.end());
  return tensor;
}

void MeasureTransfers(const std::string& address, const std::string& folder, const std::string& name,
                      const Tensor& planes, const TransferOptions& options, Floors& floors) {
  const client::Client client = Require(client::Client::Connect(address), "connect");
  for (const int level : options.levels) {
    for (const double size_mb : options.sizes_mb) {
      const Tensor tensor = TensorOfBytes(planes, size_mb * kBytesPerMb);
      Transfers transfers(client, folder, tensor, level);
      for (int round = 0; round < options.rounds; ++round) transfers.Round();
      Report(name, level, tensor, transfers, floors);
    }
  }
}

}  // namespace dcac::bench
