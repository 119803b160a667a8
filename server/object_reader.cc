#include "server/object_reader.h"

#include <algorithm>
#include <atomic>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "dcac/frame_decoder.h"
#include "dcac/slice.h"
#include "proto/wire/convert.h"
#include "server/byte_range.h"
#include "server/stored_object.h"

namespace dcac::server {
namespace {

using BlockPtr = std::shared_ptr<const store::BlockReader>;

// Reads a block and counts what it reads.
class CountedBlock {
 public:
  CountedBlock(BlockPtr block, const StoreContext& context, const WorkControl& control)
      : block_(std::move(block)), control_(context.Control(control.cancelled)) {}

  const store::BlockInfo& info() const { return block_->info(); }
  std::uint64_t memory_bytes() const { return block_->memory_bytes(); }
  std::uint64_t read_bytes() const { return read_bytes_->load(std::memory_order_relaxed); }

  absl::Status Read(std::uint64_t offset, std::span<std::byte> out) const {
    read_bytes_->fetch_add(out.size(), std::memory_order_relaxed);
    return block_->Read(offset, out, control_);
  }

  absl::StatusOr<std::vector<std::byte>> ReadUpTo(std::uint64_t offset, std::uint64_t end) const {
    std::vector<std::byte> bytes(static_cast<std::size_t>(std::min<std::uint64_t>(kStoreReadBytes, end - offset)));
    DCAC_RETURN_IF_ERROR(Read(offset, bytes));
    return bytes;
  }

 private:
  BlockPtr block_;
  store::CallControl control_;
  std::shared_ptr<std::atomic<std::uint64_t>> read_bytes_ = std::make_shared<std::atomic<std::uint64_t>>(0);
};

// Counts the segments that are decoded, and tells whoever else is to know.
class SegmentCount final : public SegmentObserver {
 public:
  explicit SegmentCount(SegmentObserver* next) : next_(next) {}
  void OnSegment(const SegmentWork& work) override {
    count_.fetch_add(1, std::memory_order_relaxed);
    if (next_ != nullptr) next_->OnSegment(work);
  }
  std::uint64_t count() const { return count_.load(std::memory_order_relaxed); }

 private:
  SegmentObserver* const next_;
  std::atomic<std::uint64_t> count_{0};
};

// As it is stored.
class StoredReader final : public ObjectReader {
 public:
  StoredReader(v1::StoredObject object, CountedBlock block, Extent range)
      : block_(std::move(block)), range_(range), position_(range.begin) {
    object_ = std::move(object);
  }

  absl::StatusOr<std::vector<std::byte>> Next() override {
    DCAC_ASSIGN_OR_RETURN(std::vector<std::byte> bytes, block_.ReadUpTo(position_, range_.end));
    position_ += bytes.size();
    return bytes;
  }

  std::uint64_t returned_bytes() const override { return range_.end - range_.begin; }
  const TensorSpec* spec() const override { return nullptr; }
  std::uint64_t memory_bytes() const override { return block_.memory_bytes() + 2 * kStoreReadBytes; }
  std::uint64_t decoded_segments() const override { return 0; }
  std::uint64_t read_bytes() const override { return block_.read_bytes(); }

 private:
  const CountedBlock block_;
  const Extent range_;
  std::uint64_t position_;
};

// All samples, with the digest compared at the end.
class TensorReader final : public ObjectReader {
 public:
  TensorReader(v1::StoredObject object, TensorSpec spec, CountedBlock block, const StoreContext& context,
               const WorkControl& control, const DecodeLimits& limits)
      : block_(std::move(block)),
        spec_(std::move(spec)),
        context_(context),
        segments_(control.segments),
        decoder_(limits) {
    object_ = std::move(object);
    decoder_.CancelOn(&control.cancelled);
    decoder_.ObserveSegments(&segments_);
  }

  absl::StatusOr<std::vector<std::byte>> Next() override {
    std::vector<std::byte> samples;
    while (samples.empty() && (decoder_.has_backlog() || position_ < block_.info().size_bytes)) {
      std::vector<std::byte> frame;
      if (!decoder_.has_backlog()) {
        DCAC_ASSIGN_OR_RETURN(frame, block_.ReadUpTo(position_, block_.info().size_bytes));
        position_ += frame.size();
      }
      DCAC_RETURN_IF_ERROR(context_.Compute([&] { return decoder_.PushBounded(frame); }));
      samples = decoder_.Pull();
    }
    if (samples.empty()) {
      DCAC_RETURN_IF_ERROR(decoder_.Finish());
      if (wire::ToProto(decoder_.digest()) != object_.digest()) {
        return absl::DataLossError("the digest of the tensor is not that of the object");
      }
    }
    return samples;
  }

  std::uint64_t returned_bytes() const override { return object_.raw_bytes(); }
  const TensorSpec* spec() const override { return &spec_; }
  std::uint64_t memory_bytes() const override {
    constexpr std::uint64_t kUsualDecoderBytes = 16u << 20;
    return block_.memory_bytes() + kStoreReadBytes +
           2 * std::max(decoder_.memory_bytes(), std::min(kUsualDecoderBytes, 2 * object_.raw_bytes()));
  }
  std::uint64_t decoded_segments() const override { return segments_.count(); }
  std::uint64_t read_bytes() const override { return block_.read_bytes(); }

 private:
  const CountedBlock block_;
  const TensorSpec spec_;
  const StoreContext context_;
  SegmentCount segments_;
  FrameDecoder decoder_;
  std::uint64_t position_ = 0;
};

// A box of the samples, or a range of their bytes within it.
class SliceReader final : public ObjectReader {
 public:
  SliceReader(v1::StoredObject object, CountedBlock block, SliceDecoder decoder, Extent range, bool is_box,
              std::uint64_t max_slab_bytes, const StoreContext& context, const WorkControl& control)
      : block_(std::move(block)),
        decoder_(std::move(decoder)),
        range_(range),
        is_box_(is_box),
        max_slab_bytes_(max_slab_bytes),
        context_(context),
        cancelled_(control.cancelled) {
    object_ = std::move(object);
  }

  absl::StatusOr<std::vector<std::byte>> Next() override {
    while (position_ < range_.end) {
      if (cancelled_.load(std::memory_order_relaxed)) return absl::CancelledError("the call was cancelled");
      std::vector<std::byte> samples;
      DCAC_RETURN_IF_ERROR(decoder_.Fetch());
      const absl::Status coded = context_.Compute([&]() -> absl::Status {
        DCAC_ASSIGN_OR_RETURN(samples, decoder_.Next());
        return absl::OkStatus();
      });
      DCAC_RETURN_IF_ERROR(coded);
      if (samples.empty()) return absl::DataLossError("the frame has fewer samples than its header says");
      const std::uint64_t begin = std::exchange(position_, position_ + samples.size());
      const std::uint64_t from = std::max(begin, range_.begin), to = std::min(position_, range_.end);
      if (from >= to) continue;
      samples.erase(samples.begin() + static_cast<std::ptrdiff_t>(to - begin), samples.end());
      samples.erase(samples.begin(), samples.begin() + static_cast<std::ptrdiff_t>(from - begin));
      return samples;
    }
    return std::vector<std::byte>();
  }

  std::uint64_t returned_bytes() const override { return range_.end - range_.begin; }
  const TensorSpec* spec() const override { return is_box_ ? &decoder_.spec() : nullptr; }
  std::uint64_t memory_bytes() const override {
    // Slabs, what is cut out of them, and the segments that they are decoded from.
    return block_.memory_bytes() + kStoreReadBytes + 3 * std::min(max_slab_bytes_, 2 * object_.raw_bytes());
  }
  std::uint64_t decoded_segments() const override { return decoder_.decoded_segments(); }
  std::uint64_t read_bytes() const override { return block_.read_bytes(); }

 private:
  const CountedBlock block_;
  SliceDecoder decoder_;
  const Extent range_;  // of the bytes that the decoder gives
  const bool is_box_;   // all of what the decoder gives is wanted
  const std::uint64_t max_slab_bytes_;
  const StoreContext context_;
  const std::atomic<bool>& cancelled_;
  std::uint64_t position_ = 0;
};

FrameAccess AccessBlock(const CountedBlock& block) {
  return {.frame_bytes = block.info().size_bytes,
          .read = [block](std::uint64_t offset, std::span<std::byte> out) { return block.Read(offset, out); }};
}

Slice SliceOf(const v1::SliceRange& message) {
  const auto end = [](std::uint64_t value) { return value == 0 ? Slice::kAll : value; };
  return {message.item_begin(),     end(message.item_end()), message.plane_begin(),
          end(message.plane_end()), message.row_begin(),     end(message.row_end())};
}

absl::StatusOr<std::unique_ptr<ObjectReader>> OpenSlice(const v1::GetRequest& request, v1::StoredObject object,
                                                        const CountedBlock& block, const DecodeLimits& limits,
                                                        const StoreContext& context, const WorkControl& control) {
  const FrameAccess frame = AccessBlock(block);
  const bool is_box = request.has_slice();
  Cover cover;
  if (is_box) {
    cover.slice = SliceOf(request.slice());
  } else {
    DCAC_ASSIGN_OR_RETURN(const Extent range, ExtentOf(request.range(), object.raw_bytes()));
    if (range.size() == 0) return std::make_unique<StoredReader>(std::move(object), block, Extent{});
    DCAC_ASSIGN_OR_RETURN(const SliceDecoder all, SliceDecoder::Create(frame, {}, limits));
    cover = CoverExtent(all.spec(), object.raw_bytes(), range);
  }
  DCAC_ASSIGN_OR_RETURN(SliceDecoder decoder, SliceDecoder::Create(frame, cover.slice, limits));
  if (is_box) {
    DCAC_ASSIGN_OR_RETURN(cover.extent.end, TensorBytes(decoder.spec()));
  }
  return std::make_unique<SliceReader>(std::move(object), block, std::move(decoder), cover.extent, is_box,
                                       limits.max_slab_bytes, context, control);
}

absl::StatusOr<std::unique_ptr<ObjectReader>> OpenPart(const v1::GetRequest& request, v1::StoredObject object,
                                                       const CountedBlock& block, const StoreContext& context,
                                                       const WorkControl& control) {
  const bool samples = object.kind() == v1::OBJECT_KIND_TENSOR && request.form() != v1::OBJECT_FORM_STORED;
  if (!samples) {
    if (request.has_slice()) {
      return absl::InvalidArgumentError("slice: only tensors have slices, and only of their samples");
    }
    DCAC_ASSIGN_OR_RETURN(const Extent range, ExtentOf(request.range(), block.info().size_bytes));
    return std::make_unique<StoredReader>(std::move(object), block, range);
  }
  DCAC_RETURN_IF_ERROR(CheckTensorBytes(object.raw_bytes(), context.limits));
  const DecodeLimits limits = ToDecodeLimits(context.limits);
  DCAC_ASSIGN_OR_RETURN(TensorSpec spec, wire::FromProto(object.spec()));
  const bool all = !request.has_slice() && request.range().offset() == 0 && request.range().size() == 0;
  if (!all) return OpenSlice(request, std::move(object), block, limits, context, control);
  return std::make_unique<TensorReader>(std::move(object), std::move(spec), block, context, control, limits);
}

}  // namespace

absl::StatusOr<std::unique_ptr<ObjectReader>> ObjectReader::Open(const v1::GetRequest& request,
                                                                 const StoreContext& context,
                                                                 const WorkControl& control) {
  DCAC_ASSIGN_OR_RETURN(const std::string key, BlockKey(context.tenant, request.key()));
  if (!v1::ObjectForm_IsValid(request.form())) {
    return absl::InvalidArgumentError(absl::StrCat("form: ", static_cast<int>(request.form()), " is not known"));
  }
  DCAC_ASSIGN_OR_RETURN(const BlockPtr block, context.store.Open(key, context.Control(control.cancelled)));
  if (!request.if_version().empty() && request.if_version() != block->info().version) {
    return absl::AbortedError("if_version: the object was put anew");
  }
  DCAC_ASSIGN_OR_RETURN(v1::StoredObject object, ToObject(block->info()));
  DCAC_ASSIGN_OR_RETURN(
      std::unique_ptr<ObjectReader> reader,
      OpenPart(request, std::move(object), CountedBlock(std::move(block), context, control), context, control));
  if (request.max_bytes() != 0 && reader->returned_bytes() > request.max_bytes()) {
    return absl::ResourceExhaustedError(
        absl::StrCat(reader->returned_bytes(), " bytes exceed max_bytes ", request.max_bytes()));
  }
  return reader;
}

}  // namespace dcac::server
