#include "dcac/frame_decoder.h"

#include <oneapi/tbb/parallel_for.h>
#include <oneapi/tbb/task_arena.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "core/base/hash.h"
#include "core/base/in_order.h"
#include "core/base/out_of_memory.h"
#include "core/base/status_macros.h"
#include "core/codec/segment_codec.h"
#include "core/codec/segment_reader.h"
#include "core/codec/segment_timer.h"
#include "core/format/frame.h"

namespace dcac {

struct FrameDecoder::Impl {
  // A segment in `unread`.
  struct Body {
    size_t begin, size;
    uint64_t checksum;
    size_t end;  // of the segment
  };

  explicit Impl(const DecodeLimits& decode_limits) : limits(decode_limits) {}

  // `bounded`: stops after a batch of slabs.
  absl::Status Consume(ByteSpan data, bool bounded) {
    backlog = false;
    consumed += data.size();
    if (kept.empty()) {  // a frame that comes in one piece is read where it is
      unread = data;
      DCAC_RETURN_IF_ERROR(ReadOn(bounded));
      AppendBytes(unread, kept);
    } else {
      AppendBytes(data, kept);
      unread = kept;
      DCAC_RETURN_IF_ERROR(ReadOn(bounded));
      kept.erase(kept.begin(), kept.end() - static_cast<ptrdiff_t>(unread.size()));
    }
    return absl::OkStatus();
  }

  absl::Status ReadOn(bool bounded) {
    if (!header) DCAC_RETURN_IF_ERROR(TryHeader());
    if (!header) return absl::OkStatus();
    DCAC_RETURN_IF_ERROR(TakeSegments(bounded));
    return next_segment == header->geometry.num_segments() ? TryTrailer() : absl::OkStatus();
  }

  absl::Status TryHeader() {
    size_t header_bytes = 0;
    bool incomplete = false;
    auto parsed = ParseHeader(unread, header_bytes, incomplete);
    if (!parsed.ok()) return incomplete && unread.size() < kMaxHeaderBytes ? absl::OkStatus() : parsed.status();
    DCAC_RETURN_IF_ERROR(CheckLimits(*parsed, limits));
    if (tensor) DCAC_RETURN_IF_ERROR(CheckTensor(parsed->spec));
    header = *std::move(parsed);
    unread = unread.subspan(header_bytes);
    return absl::OkStatus();
  }

  absl::Status CheckTensor(const TensorSpec& spec) const {
    DCAC_ASSIGN_OR_RETURN(const uint64_t bytes, TensorBytes(spec));
    if (bytes == tensor->size()) return absl::OkStatus();
    return absl::InvalidArgumentError(absl::StrCat("memory of ", tensor->size(), " bytes for a tensor of ", bytes));
  }

  // Collects the bodies of segments, which stay where they are; decodes them whenever a batch of whole slabs is there.
  // Batches of samples that stay where they are decoded have all slabs that are there.
  absl::Status TakeSegments(bool bounded) {
    const Geometry& geometry = header->geometry;
    while (!backlog && next_segment < geometry.num_segments()) {
      if (batch_segments == 0) batch_segments = BatchSegments();  // for the batch: the arena may change between calls
      DCAC_ASSIGN_OR_RETURN(const bool has_read, tensor || bodies.size() < batch_segments ? TakeSegment() : false);
      if (has_read) continue;
      if (bodies.size() < batch_segments) break;
      DCAC_RETURN_IF_ERROR(DecodeBatch());
      batch_segments = 0;  // though segments of the next slab may be there
      backlog = bounded && !unread.empty() && next_segment < geometry.num_segments();
    }
    return absl::OkStatus();
  }

  // Whether there is one more.
  absl::StatusOr<bool> TakeSegment() {
    const uint64_t segment = next_segment + bodies.size();
    if (segment == header->geometry.num_segments()) return false;
    const size_t begin = bodies.empty() ? 0 : bodies.back().end;
    DCAC_ASSIGN_OR_RETURN(const std::optional<SegmentBody> read,
                          ReadSegment(header->geometry, segment, unread.subspan(begin)));
    if (!read) return false;
    stored_bytes.push_back(read->stored_bytes);
    index_bytes += VarintBytes(read->stored_bytes);
    bodies.push_back({static_cast<size_t>(read->body.data() - unread.data()), read->body.size(), read->checksum,
                      begin + read->stored_bytes});
    return true;
  }

  size_t BatchSegments() const {
    constexpr uint64_t kMaxBatchBytes = 64 << 20;
    const Geometry& geometry = header->geometry;
    const uint64_t per_slab = geometry.segments_per_slab();
    const uint64_t threads = static_cast<uint64_t>(std::max(1, tbb::this_task_arena::max_concurrency()));
    const uint64_t wanted = std::min((threads + per_slab - 1) / per_slab,
                                     kMaxBatchBytes / std::max<uint64_t>(1, geometry.max_slab_bytes()));
    const uint64_t slabs_left = geometry.num_slabs() - next_segment / per_slab;
    return static_cast<size_t>(std::max<uint64_t>(1, std::min(wanted, slabs_left)) * per_slab);
  }

  // Decodes the slabs that have all of their segments.
  absl::Status DecodeBatch() {
    const Geometry& geometry = header->geometry;
    const size_t per_slab = static_cast<size_t>(geometry.segments_per_slab());
    const uint64_t first_slab = next_segment / per_slab;
    const size_t num_slabs = bodies.size() / per_slab, num_segments = num_slabs * per_slab;
    std::vector<size_t> slab_offset = {0};
    for (size_t slab = 0; slab < num_slabs; ++slab) {
      slab_offset.push_back(slab_offset.back() +
                            static_cast<size_t>(geometry.SegmentBytes(geometry.SlabBox(first_slab + slab))));
    }
    const std::span<std::byte> room = Room(slab_offset.back());
    absl::Cleanup give_back = [&] {  // nobody shall pull what was not decoded
      if (!tensor) output.resize(output.size() - room.size());
    };
    std::vector<absl::Status> statuses(num_segments);
    InOrder digested(num_slabs, per_slab);
    tbb::parallel_for(size_t{0}, num_segments, [&](size_t i) {
      const size_t slab = i / per_slab;
      statuses[i] = DecodeSegment(next_segment + i, bodies[i], geometry.SlabBox(first_slab + slab),
                                  room.data() + slab_offset[slab]);
      if (!statuses[i].ok()) return;
      digested.Done(slab, [&](size_t next) {
        digest_stream.Update(room.subspan(slab_offset[next], slab_offset[next + 1] - slab_offset[next]));
      });
    });
    for (const absl::Status& segment_status : statuses) DCAC_RETURN_IF_ERROR(segment_status);
    std::move(give_back).Cancel();
    produced += room.size();
    next_segment += num_segments;
    const size_t taken = bodies[num_segments - 1].end;
    unread = unread.subspan(taken);
    bodies.erase(bodies.begin(), bodies.begin() + static_cast<ptrdiff_t>(num_segments));
    for (Body& body : bodies) {
      body.begin -= taken;
      body.end -= taken;
    }
    return absl::OkStatus();
  }

  absl::Status DecodeSegment(uint64_t segment, const Body& body, const Box& slab, std::byte* slab_data) const {
    if (cancelled != nullptr && cancelled->load(std::memory_order_relaxed)) {
      return absl::CancelledError("decoding was cancelled");
    }
    const SegmentTimer timer(observer);
    const ByteSpan data = unread.subspan(body.begin, body.size);
    DCAC_RETURN_IF_ERROR(CheckSegment(segment, data, body.checksum));
    DCAC_RETURN_IF_ERROR(decode_segment(*header, segment, data, slab, slab_data));
    timer.Done(header->geometry.SegmentBytes(header->geometry.SegmentBox(segment)), body.size);
    return absl::OkStatus();
  }

  // Where the next samples go.
  std::span<std::byte> Room(size_t bytes) {
    if (tensor) return tensor->subspan(static_cast<size_t>(produced), bytes);
    const size_t size = output.size() + bytes;
    if (!output.empty()) {  // nobody pulls what is decoded
      ReserveByHalves(size, output.size() + TensorBytes(header->spec).value_or(0) - produced, output);
    }
    output.resize(size);
    return std::span(output).last(bytes);
  }

  absl::Status TryTrailer() {
    // The index has as many entries as there are segments: its size is known before it is complete.
    const uint64_t tail = index_bytes + kTrailerBytes;
    if (unread.size() < tail) return absl::OkStatus();
    if (unread.size() > tail)
      return absl::DataLossError(absl::StrCat("the frame is followed by ", unread.size() - tail, " bytes"));
    DCAC_ASSIGN_OR_RETURN(const FrameTrailer trailer, ParseIndexAndTrailer(unread, header->geometry.num_segments()));
    if (trailer.stored_bytes != stored_bytes) return absl::DataLossError("the index does not match the segments");
    if (trailer.digest != digest_stream.Get()) return absl::DataLossError("the digest of the tensor does not match");
    unread = {};
    done = true;
    return absl::OkStatus();
  }

  DecodeLimits limits;
  std::optional<FrameHeader> header;
  Bytes kept;                // what earlier calls left unread
  ByteSpan unread;           // of this call, from the segments on that are not decoded yet
  std::vector<Body> bodies;  // of the segments after next_segment
  size_t batch_segments = 0;
  uint64_t next_segment = 0;
  std::vector<uint64_t> stored_bytes;
  uint64_t index_bytes = 0;  // of their varints
  Bytes output;
  std::optional<std::span<std::byte>> tensor;  // where samples go in place of `output`
  uint64_t consumed = 0, produced = 0;
  DigestStream digest_stream;
  bool backlog = false;  // whole segments may wait in `kept`
  bool done = false;
  const std::atomic<bool>* cancelled = nullptr;
  SegmentObserver* observer = nullptr;
  SegmentDecoder decode_segment = [](const FrameHeader& frame_header, uint64_t segment, ByteSpan body, const Box& slab,
                                     std::byte* slab_data) {
    return DecodeSegmentInto(frame_header, segment, body, slab, slab_data);
  };
  absl::Status status;
};

FrameDecoder::FrameDecoder(const DecodeLimits& limits) : impl_(std::make_unique<Impl>(limits)) {}
FrameDecoder::FrameDecoder(FrameDecoder&&) noexcept = default;
FrameDecoder& FrameDecoder::operator=(FrameDecoder&&) noexcept = default;
FrameDecoder::~FrameDecoder() = default;

absl::Status FrameDecoder::Push(std::span<const std::byte> data) {
  DCAC_RETURN_IF_ERROR(impl_->status);
  if (data.empty()) return absl::OkStatus();
  if (impl_->done)
    return impl_->status = absl::DataLossError(absl::StrCat("the frame is followed by ", data.size(), " bytes"));
  return impl_->status = CatchOutOfMemory([&] { return impl_->Consume(data, /*bounded=*/false); });
}

absl::Status FrameDecoder::PushBounded(std::span<const std::byte> data) {
  if (data.empty() && !impl_->backlog) return impl_->status;
  DCAC_RETURN_IF_ERROR(impl_->status);
  if (impl_->done) return Push(data);
  return impl_->status = CatchOutOfMemory([&] { return impl_->Consume(data, /*bounded=*/true); });
}

bool FrameDecoder::has_backlog() const {
  return impl_->backlog;
}

void FrameDecoder::CancelOn(const std::atomic<bool>* cancelled) {
  impl_->cancelled = cancelled;
}

void FrameDecoder::ObserveSegments(SegmentObserver* observer) {
  impl_->observer = observer;
}

void FrameDecoder::DecodeTo(std::span<std::byte> tensor) {
  impl_->tensor = tensor;
}

void FrameDecoder::DecodeSegmentsBy(SegmentDecoder decoder) {
  impl_->decode_segment = std::move(decoder);
}

absl::Status FrameDecoder::Finish() const {
  DCAC_RETURN_IF_ERROR(impl_->status);
  if (!impl_->done)
    return absl::DataLossError(absl::StrCat("the frame is truncated after ", impl_->consumed, " bytes"));
  return absl::OkStatus();
}

std::vector<std::byte> FrameDecoder::Pull() {
  return std::exchange(impl_->output, {});
}
const TensorSpec* FrameDecoder::spec() const {
  return impl_->header ? &impl_->header->spec : nullptr;
}
std::uint64_t FrameDecoder::memory_bytes() const {
  if (!impl_->header) return 0;
  // The bodies of a batch, which hardly exceed its samples, and the samples.
  const Geometry& geometry = impl_->header->geometry;
  return 2 * impl_->BatchSegments() / geometry.segments_per_slab() * geometry.max_slab_bytes();
}
bool FrameDecoder::done() const {
  return impl_->done;
}
Digest FrameDecoder::digest() const {
  return impl_->digest_stream.Get();
}
std::uint64_t FrameDecoder::raw_bytes() const {
  return impl_->produced;
}
std::uint64_t FrameDecoder::frame_bytes() const {
  return impl_->consumed;
}

}  // namespace dcac
