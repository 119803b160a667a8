#include "server/batch_store_sessions.h"

#include <oneapi/tbb/parallel_for.h>

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "dcac/codec.h"
#include "dcac/frame_checker.h"
#include "proto/wire/convert.h"
#include "server/object_reader.h"
#include "server/store_calls.h"
#include "server/stored_object.h"
#include "server/tensor_calls.h"

namespace dcac::server {
namespace {

// An item that was checked and, where it came as a tensor, compressed.
struct PreparedItem {
  absl::Status status;
  std::string frame;  // of a tensor that was compressed here
  store::SmallBlock block;
  CallFacts facts;
};

// Compresses the tensor, and makes sure that it can be had back.
absl::Status PrepareTensor(const v1::BatchPutRequest& item, const StoreContext& context, const WorkControl& control,
                           PreparedItem* prepared) {
  std::string digest;
  DCAC_RETURN_IF_ERROR(EncodeTensor({.spec = item.tensor().spec(),
                                     .options = item.tensor().options(),
                                     .data = item.data(),
                                     .frame = &prepared->frame,
                                     .digest = &digest},
                                    context.limits, control, &prepared->facts));
  std::vector<std::byte> tensor(item.data().size());
  DCAC_RETURN_IF_ERROR(DecompressInto(wire::AsBytes(prepared->frame), tensor).status());
  const std::span<const std::byte> samples = wire::AsBytes(item.data());
  if (!std::ranges::equal(tensor, samples)) {
    return absl::InternalError("the frame does not give back the tensor that it was made of");
  }
  DCAC_ASSIGN_OR_RETURN(const TensorSpec spec, wire::FromProto(item.tensor().spec()));
  DCAC_ASSIGN_OR_RETURN(const Digest tensor_digest, wire::DigestFromProto(digest));
  prepared->block.bytes = wire::AsBytes(prepared->frame);
  return DescribeTensor(spec, tensor_digest, &prepared->block.options);
}

absl::Status PrepareFrame(const v1::BatchPutRequest& item, const StoreContext& context, PreparedItem* prepared) {
  const std::span<const std::byte> frame = wire::AsBytes(item.data());
  if (item.frame().stored_bytes() != 0 && item.frame().stored_bytes() != frame.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat("frame.stored_bytes: ", item.frame().stored_bytes(), ", but data has ", frame.size(), " bytes"));
  }
  FrameChecker checker(ToDecodeLimits(context.limits));
  DCAC_ASSIGN_OR_RETURN(const std::size_t taken, checker.Push(frame));
  if (!checker.done() || taken != frame.size()) return absl::DataLossError("frame: truncated, or bytes after its end");
  DCAC_RETURN_IF_ERROR(DescribeTensor(checker.spec(), checker.digest(), &prepared->block.options));
  prepared->block.bytes = frame;
  prepared->facts = {
      .dtype = checker.spec().dtype, .raw_bytes = prepared->block.options.raw_bytes, .stored_bytes = frame.size()};
  return absl::OkStatus();
}

absl::Status Prepare(const v1::BatchPutRequest& item, const StoreContext& context, const WorkControl& control,
                     PreparedItem* prepared) {
  DCAC_RETURN_IF_ERROR(CheckItemBytes(item.data().size()));
  DCAC_ASSIGN_OR_RETURN(prepared->block.key, BlockKey(context.tenant, item.key()));
  if (item.has_ttl()) {
    DCAC_ASSIGN_OR_RETURN(prepared->block.options.ttl, TimeToLive(item.ttl()));
  }
  DCAC_ASSIGN_OR_RETURN(prepared->block.options.condition, ConditionFromProto(item.condition()));
  if (item.has_tensor()) return PrepareTensor(item, context, control, prepared);
  if (item.has_frame()) return PrepareFrame(item, context, prepared);
  return absl::InvalidArgumentError("content: expected tensor or frame");
}

template <typename Reply>
void SetError(const absl::Status& status, Reply* reply) {
  reply->set_code(static_cast<int>(status.code()));
  reply->set_message(std::string(status.message()));
}

}  // namespace

absl::Status BatchPutSession::Accept(v1::BatchPutRequest&& request) {
  items_.push_back(std::move(request));
  return absl::OkStatus();
}

absl::Status BatchPutSession::AcceptEnd() {
  ended_ = true;
  return absl::OkStatus();
}

absl::Status BatchPutSession::Work() {
  std::vector<PreparedItem> prepared(items_.size());
  const auto prepare_all = [&] {
    oneapi::tbb::parallel_for(std::size_t{0}, items_.size(), [&](std::size_t i) {
      prepared[i].status = Prepare(items_[i], context_, control(), &prepared[i]);
    });
  };
  context_.workers.Start(prepare_all).get();
  if (control().is_cancelled()) return absl::CancelledError("the call was cancelled");
  std::vector<store::SmallBlock> blocks;
  for (const PreparedItem& item : prepared) {
    if (item.status.ok()) blocks.push_back(item.block);
  }
  const std::vector<absl::StatusOr<store::BlockInfo>> stored =
      context_.store.PutMany(blocks, context_.Control(control().cancelled));
  replies_ = std::vector<v1::BatchPutResponse>(items_.size());
  next_reply_ = 0;
  std::size_t next_stored = 0;
  for (std::size_t i = 0; i < items_.size(); ++i) {
    v1::BatchPutResponse& reply = replies_[i];
    reply.set_item_id(items_[i].item_id());
    const absl::StatusOr<store::BlockInfo> info =
        prepared[i].status.ok() ? stored[next_stored++] : absl::StatusOr<store::BlockInfo>(prepared[i].status);
    const absl::StatusOr<v1::StoredObject> object = info.ok() ? ToObject(*info) : info.status();
    if (object.ok()) {
      *reply.mutable_object() = *object;
      facts_.Add(prepared[i].facts);
    } else {
      SetError(object.status(), &reply);
    }
  }
  items_.clear();
  return absl::OkStatus();
}

bool BatchPutSession::NextReply(v1::BatchPutResponse* response) {
  if (next_reply_ == replies_.size()) return false;
  *response = std::move(replies_[next_reply_++]);
  return true;
}

std::uint64_t BatchPutSession::memory_bytes() const {
  // Items that wait, items that are worked on with their frames, what they are compared with.
  return 4 * kMaxInputBytesInFlight;
}

absl::Status BatchGetSession::Accept(v1::BatchGetRequest&& request) {
  DCAC_RETURN_IF_ERROR(CheckKeyCount(static_cast<std::size_t>(request.keys_size())));
  request_ = std::move(request);
  accepted_ = true;
  return absl::OkStatus();
}

absl::Status BatchGetSession::Read(const std::string& key, v1::BatchGetResponse* reply) {
  v1::GetRequest request;
  request.set_key(key);
  request.set_form(request_.form());
  request.set_max_bytes(wire::kMaxBatchItemBytes);
  DCAC_ASSIGN_OR_RETURN(const std::unique_ptr<ObjectReader> reader, ObjectReader::Open(request, context_, control()));
  std::string data;
  while (true) {
    DCAC_ASSIGN_OR_RETURN(const std::vector<std::byte> bytes, reader->Next());
    if (bytes.empty()) break;
    data.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }
  *reply->mutable_object() = reader->object();
  reply->set_data(std::move(data));
  facts_.raw_bytes += reader->object().raw_bytes();
  facts_.stored_bytes += reader->object().stored_bytes();
  return absl::OkStatus();
}

absl::Status BatchGetSession::Work() {
  if (control().is_cancelled()) return absl::CancelledError("the call was cancelled");
  replies_ = std::vector<v1::BatchGetResponse>(1);
  next_reply_ = 0;
  replies_.front().set_key_index(next_key_);
  const absl::Status status = Read(request_.keys(static_cast<int>(next_key_)), &replies_.front());
  if (!status.ok()) SetError(status, &replies_.front());
  ++next_key_;
  return absl::OkStatus();
}

bool BatchGetSession::NextReply(v1::BatchGetResponse* response) {
  if (next_reply_ == replies_.size()) return false;
  *response = std::move(replies_[next_reply_++]);
  return true;
}

std::uint64_t BatchGetSession::memory_bytes() const {
  if (!accepted_) return 0;
  // Replies that wait, the one that is made, and a block of any size that turns out to be too large for one.
  return (kMaxItemRepliesInFlight + 4) * wire::kMaxBatchItemBytes + context_.store.block_memory_bytes();
}

}  // namespace dcac::server
