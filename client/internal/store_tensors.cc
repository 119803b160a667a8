// The part of Client::Impl that is about tensors in the store.
#include <algorithm>
#include <functional>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/internal/client_impl.h"
#include "client/internal/kept_source.h"
#include "client/internal/local_codec.h"
#include "client/internal/store_batch.h"
#include "client/internal/store_messages.h"
#include "client/internal/store_transfer.h"
#include "core/base/out_of_memory.h"
#include "core/base/status_macros.h"
#include "dcac/codec.h"
#include "proto/wire/convert.h"
#include "proto/wire/limits.h"

namespace dcac::client {
namespace {

using internal::BatchResults;

// Of samples that were not sent for good yet.
constexpr std::size_t kMaxKeptBytes = 64u << 20;
// Of a frame, while its tensor is streamed.
constexpr std::size_t kFramePieceBytes = 4u << 20;
// Tensors that are compressed at a time for a batch.
constexpr std::size_t kGroupItems = 64;
// By how much a frame can be longer than its samples.
constexpr std::size_t kFrameOverhead = 64u << 10;

bool WorksHere(Codec codec) {
  return codec != Codec::kServer;
}

v1::PutHeader TensorHeader(std::string_view key, const TensorSpec& spec, const PutOptions& options) {
  v1::PutHeader header = internal::HeaderOf(key, options);
  wire::ToProto(spec, header.mutable_tensor()->mutable_spec());
  wire::ToProto(options.encode, header.mutable_tensor()->mutable_options());
  return header;
}

absl::Status CheckTensor(const StoredObject& object) {
  if (object.kind == ObjectKind::kTensor) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(object.key, " is an archive, expected a tensor"));
}

absl::Status CheckDigest(const Digest& digest, const StoredObject& object) {
  if (digest == object.digest) return absl::OkStatus();
  return absl::DataLossError("digest of the tensor differs from that of its object");
}

// A frame in the store, piece after piece, each a call of its own: whoever takes it may be slow.
class StoredInput final : public internal::TransferInput {
 public:
  using Read = std::function<absl::Status(std::uint64_t offset, std::span<std::byte> out)>;

  StoredInput(std::uint64_t size, Read read) : size_(size), read_(std::move(read)) {}

  absl::StatusOr<std::span<const std::byte>> Next() override {
    piece_.resize(static_cast<std::size_t>(std::min<std::uint64_t>(kFramePieceBytes, size_ - position_)));
    DCAC_RETURN_IF_ERROR(read_(position_, piece_));
    position_ += piece_.size();
    return std::span<const std::byte>(piece_);
  }
  bool Rewind() override {
    position_ = 0;
    return true;
  }
  std::optional<std::uint64_t> size() const override { return size_; }

 private:
  const std::uint64_t size_;
  const Read read_;
  std::uint64_t position_ = 0;
  std::vector<std::byte> piece_;
};

// Frames of the items of a batch, made some at a time.
class FrameGroup {
 public:
  // `chosen`: of `items` those that are wanted, in ascending order.
  FrameGroup(const internal::CallContext& call, std::span<const PutItem> items, std::span<const std::size_t> chosen)
      : call_(call), items_(items), chosen_(chosen) {}

  const absl::StatusOr<std::vector<std::byte>>& Of(std::size_t item) {
    const auto position = static_cast<std::size_t>(std::ranges::lower_bound(chosen_, item) - chosen_.begin());
    if (position < begin_ || position - begin_ >= frames_.size()) Make(position);
    return frames_[position - begin_];
  }

 private:
  void Make(std::size_t begin) {
    std::vector<BatchItem> group;
    for (const std::size_t item : chosen_.subspan(begin, std::min(kGroupItems, chosen_.size() - begin))) {
      group.push_back({.spec = items_[item].spec, .data = items_[item].data, .options = items_[item].options.encode});
    }
    frames_ = internal::LocalBatchCompress(call_, group);
    begin_ = begin;
  }

  const internal::CallContext& call_;
  const std::span<const PutItem> items_;
  const std::span<const std::size_t> chosen_;
  std::size_t begin_ = 0;  // of chosen_: the first that has a frame
  std::vector<absl::StatusOr<std::vector<std::byte>>> frames_;
};

// Without the content.
v1::BatchPutRequest RequestOf(const PutItem& item) {
  v1::BatchPutRequest request;
  const v1::PutHeader header = internal::HeaderOf(item.key, item.options);
  request.set_key(item.key);
  if (header.has_ttl()) *request.mutable_ttl() = header.ttl();
  if (header.has_condition()) *request.mutable_condition() = header.condition();
  return request;
}

v1::BatchPutRequest TensorRequest(const PutItem& item) {
  v1::BatchPutRequest request = RequestOf(item);
  wire::ToProto(item.spec, request.mutable_tensor()->mutable_spec());
  wire::ToProto(item.options.encode, request.mutable_tensor()->mutable_options());
  request.set_data(item.data.data(), item.data.size());
  return request;
}

v1::BatchPutRequest FrameRequest(const PutItem& item, std::span<const std::byte> frame) {
  v1::BatchPutRequest request = RequestOf(item);
  request.mutable_frame()->set_stored_bytes(frame.size());
  request.set_data(frame.data(), frame.size());
  return request;
}

// A tensor that came as it is.
absl::StatusOr<StoredTensor> TakeTensor(StoredObject object, std::span<const std::byte> data) {
  if (TensorBytes(object.spec).value_or(0) != data.size()) {
    return absl::InternalError(absl::StrCat("server: ", data.size(), " bytes are not those of a tensor of its spec"));
  }
  DCAC_RETURN_IF_ERROR(CheckDigest(ComputeDigest(data), object));
  Tensor tensor{object.spec, {data.begin(), data.end()}};
  return StoredTensor{std::move(object), std::move(tensor)};
}

bool Always() {
  return true;
}

}  // namespace

absl::StatusOr<StoredObject> Client::Impl::Put(const Call& call, std::string_view key, const TensorSpec& spec,
                                               std::span<const std::byte> data, const PutOptions& put_options) {
  if (!WorksHere(call.codec)) {
    return internal::RunPut(remote, call.context, TensorHeader(key, spec, put_options), AccessMemory(data),
                            options.chunk_bytes, {.on_begin = put_options.on_upload, .on_commit = {}});
  }
  DCAC_ASSIGN_OR_RETURN(const std::vector<std::byte> frame,
                        Compress({call.context, Codec::kClient}, spec, data, put_options.encode));
  v1::PutHeader header = internal::HeaderOf(key, put_options);
  header.mutable_frame()->set_stored_bytes(frame.size());
  return internal::RunPut(remote, call.context, header, AccessMemory(frame), options.chunk_bytes,
                          {.on_begin = put_options.on_upload, .on_commit = {}});
}

absl::StatusOr<StoredObject> Client::Impl::PutStream(const Call& call, std::string_view key, const TensorSpec& spec,
                                                     const ChunkSource& source, const PutOptions& put_options) {
  DCAC_ASSIGN_OR_RETURN(const std::uint64_t size, TensorBytes(spec));
  return CatchOutOfMemory([&] {
    internal::KeptSource kept(source, size, kMaxKeptBytes);
    const FrameAccess samples{
        size, [&kept](std::uint64_t offset, std::span<std::byte> out) { return kept.Read(offset, out); }};
    return internal::RunPut(
        remote, call.context, TensorHeader(key, spec, put_options), samples, options.chunk_bytes,
        {.on_begin = put_options.on_upload, .on_commit = [&kept](std::uint64_t bytes) { kept.Forget(bytes); }});
  });
}

std::vector<absl::StatusOr<StoredObject>> Client::Impl::BatchPut(const Call& call, std::span<const PutItem> items) {
  const bool here = WorksHere(call.codec);
  const std::size_t most = wire::kMaxBatchItemBytes - (here ? kFrameOverhead : 0);
  std::vector<std::size_t> small, single;
  for (std::size_t i = 0; i < items.size(); ++i) {
    (items[i].data.size() <= most && !items[i].options.pinned ? small : single).push_back(i);
  }
  BatchResults<StoredObject> results(items.size());
  FrameGroup frames(call.context, items, small);
  const auto make_request = [&](std::size_t i) -> absl::StatusOr<v1::BatchPutRequest> {
    if (!here) return TensorRequest(items[i]);
    const absl::StatusOr<std::vector<std::byte>>& frame = frames.Of(i);
    DCAC_RETURN_IF_ERROR(frame.status());
    return FrameRequest(items[i], *frame);
  };
  internal::PutBatch batch(
      small, [&](std::size_t i) { return CatchOutOfMemory([&] { return make_request(i); }); }, results);
  absl::Status status;
  if (!small.empty()) {
    status = remote.Run(
        call.context, [&](internal::Connection& connection) { return batch.Run(*connection.BatchPut(call.context)); },
        Always, [&] { return results.num_answered(); });
  }
  for (const std::size_t i : single) {
    results.Set(i, Put(call, items[i].key, items[i].spec, items[i].data, items[i].options));
  }
  return std::move(results).Take(status);
}

absl::StatusOr<internal::FrameOfObject> Client::Impl::GetFrame(const Call& call, std::string_view key,
                                                               const GetOptions& get_options) {
  v1::GetRequest request = internal::RequestOf(key, v1::OBJECT_FORM_STORED);
  request.set_if_version(get_options.if_version);
  request.set_max_bytes(options.max_tensor_bytes);
  Tensor frame;
  internal::VectorOutput output(frame);
  DCAC_ASSIGN_OR_RETURN(internal::GotObject got,
                        internal::RunGet(remote, call.context, request, output, internal::Expected::kTensor));
  return internal::FrameOfObject{std::move(got.object), std::move(frame.data)};
}

absl::StatusOr<GotTensor> Client::Impl::GetSamples(const Call& call, std::string_view key,
                                                   const GetOptions& get_options, internal::TransferOutput& output) {
  v1::GetRequest request = internal::RequestOf(key, v1::OBJECT_FORM_UNSPECIFIED);
  request.set_if_version(get_options.if_version);
  request.set_max_bytes(options.max_tensor_bytes);
  if (get_options.slice) *request.mutable_slice() = internal::ToProto(*get_options.slice);
  DCAC_ASSIGN_OR_RETURN(internal::GotObject got,
                        internal::RunGet(remote, call.context, request, output, internal::Expected::kTensor));
  if (!get_options.slice) DCAC_RETURN_IF_ERROR(CheckDigest(got.digest, got.object));
  return GotTensor{std::move(got.object), std::move(got.spec)};
}

absl::StatusOr<StoredTensor> Client::Impl::Get(const Call& call, std::string_view key, const GetOptions& get_options) {
  return CatchOutOfMemory([&]() -> absl::StatusOr<StoredTensor> {
    if (WorksHere(call.codec) && !get_options.slice) {
      DCAC_ASSIGN_OR_RETURN(internal::FrameOfObject got, GetFrame(call, key, get_options));
      DCAC_ASSIGN_OR_RETURN(Tensor tensor, Decompress({call.context, Codec::kClient}, got.frame));
      return StoredTensor{std::move(got.object), std::move(tensor)};
    }
    Tensor tensor;
    internal::VectorOutput output(tensor);
    DCAC_ASSIGN_OR_RETURN(GotTensor got, GetSamples(call, key, get_options, output));
    return StoredTensor{std::move(got.object), std::move(tensor)};
  });
}

absl::StatusOr<GotTensor> Client::Impl::GetInto(const Call& call, std::string_view key, std::span<std::byte> tensor,
                                                const GetOptions& get_options) {
  return CatchOutOfMemory([&]() -> absl::StatusOr<GotTensor> {
    if (WorksHere(call.codec) && !get_options.slice) {
      DCAC_ASSIGN_OR_RETURN(internal::FrameOfObject got, GetFrame(call, key, get_options));
      DCAC_ASSIGN_OR_RETURN(TensorSpec spec, DecompressInto({call.context, Codec::kClient}, got.frame, tensor));
      return GotTensor{std::move(got.object), std::move(spec)};
    }
    internal::MemoryOutput output(tensor);
    return GetSamples(call, key, get_options, output);
  });
}

absl::StatusOr<GotTensor> Client::Impl::GetStream(const Call& call, std::string_view key, const SpecSink& spec_sink,
                                                  const ChunkSink& sink, const GetOptions& get_options) {
  return CatchOutOfMemory([&]() -> absl::StatusOr<GotTensor> {
    internal::SinkOutput output(&spec_sink, sink);
    if (!WorksHere(call.codec) || get_options.slice) return GetSamples(call, key, get_options, output);
    DCAC_ASSIGN_OR_RETURN(StoredObject object, Stat(call, key));
    DCAC_RETURN_IF_ERROR(CheckTensor(object));
    if (!get_options.if_version.empty() && get_options.if_version != object.version) {
      return absl::AbortedError("if_version: the object was put anew");
    }
    StoredInput frame(object.stored_bytes, [&](std::uint64_t offset, std::span<std::byte> out) {
      return ReadStored(call, object, offset, out);
    });
    DCAC_ASSIGN_OR_RETURN(TransferStats stats,
                          internal::LocalDecompress(call.context, options.max_tensor_bytes, frame, output));
    DCAC_RETURN_IF_ERROR(CheckDigest(stats.digest, object));
    return GotTensor{std::move(object), std::move(stats.spec)};
  });
}

std::vector<absl::StatusOr<StoredTensor>> Client::Impl::BatchGet(const Call& call, std::span<const std::string> keys) {
  const bool here = WorksHere(call.codec);
  const auto convert = [&](StoredObject object, std::span<const std::byte> data) -> absl::StatusOr<StoredTensor> {
    DCAC_RETURN_IF_ERROR(CheckTensor(object));
    if (!here) return TakeTensor(std::move(object), data);
    DCAC_ASSIGN_OR_RETURN(Tensor tensor, Decompress({call.context, Codec::kClient}, data));
    return StoredTensor{std::move(object), std::move(tensor)};
  };
  BatchResults<StoredTensor> results(keys.size());
  internal::GetBatch batch(
      keys, here ? v1::OBJECT_FORM_STORED : v1::OBJECT_FORM_UNSPECIFIED,
      [&](StoredObject object, std::span<const std::byte> data) {
        return CatchOutOfMemory([&] { return convert(std::move(object), data); });
      },
      results);
  const auto ask = [&](internal::Connection& connection) {
    return batch.done() ? absl::OkStatus() : batch.Run(*connection.BatchGet(call.context, batch.Request()));
  };
  absl::Status status;
  while (status.ok() && !batch.done()) {
    status = remote.Run(call.context, ask, Always, [&] { return results.num_answered(); });
  }
  for (const std::size_t i : batch.large()) results.Set(i, Get(call, keys[i], {}));
  return std::move(results).Take(status);
}

absl::Status Client::Impl::ReadStored(const Call& call, const StoredObject& object, std::uint64_t offset,
                                      std::span<std::byte> out) {
  if (out.empty()) return absl::OkStatus();
  v1::GetRequest request = internal::RequestOf(object.key, v1::OBJECT_FORM_STORED);
  request.set_if_version(object.version);
  request.mutable_range()->set_offset(offset);
  request.mutable_range()->set_size(out.size());
  internal::MemoryOutput output(out);
  DCAC_ASSIGN_OR_RETURN(const internal::GotObject got,
                        internal::RunGet(remote, call.context, request, output, internal::Expected::kAny));
  if (got.returned_bytes == out.size()) return absl::OkStatus();
  return absl::InternalError(absl::StrCat("server: ", got.returned_bytes, " bytes of a range of ", out.size()));
}

absl::StatusOr<StoredObject> Client::Impl::Stat(const Call& call, std::string_view key) {
  v1::StatRequest request;
  request.set_key(std::string(key));
  DCAC_ASSIGN_OR_RETURN(const auto response, internal::Ask(remote, call.context, &internal::Connection::Stat, request));
  return internal::FromProto(response.object());
}

}  // namespace dcac::client
