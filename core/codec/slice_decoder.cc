#include <oneapi/tbb/parallel_for.h>
#include <oneapi/tbb/task_arena.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/out_of_memory.h"
#include "core/base/status_macros.h"
#include "core/codec/open_frame.h"
#include "core/codec/segment_reader.h"
#include "dcac/slice.h"

namespace dcac {
namespace {

absl::Status CutRange(const char* axis, uint64_t extent, uint64_t begin, uint64_t& end) {
  if (begin >= end || begin >= extent) {
    return absl::InvalidArgumentError(
        absl::StrCat(axis, " ", begin, ":", end == Slice::kAll ? extent : end, " of ", extent, " ", axis));
  }
  end = std::min(end, extent);
  return absl::OkStatus();
}

absl::StatusOr<Box> BoxOf(const Slice& slice, const Extents& extents) {
  Box box{slice.item_begin, slice.item_end, slice.plane_begin, slice.plane_end, slice.row_begin, slice.row_end};
  DCAC_RETURN_IF_ERROR(CutRange("items", extents.items, box.item_begin, box.item_end));
  DCAC_RETURN_IF_ERROR(CutRange("planes", extents.planes, box.plane_begin, box.plane_end));
  DCAC_RETURN_IF_ERROR(CutRange("rows", extents.height, box.row_begin, box.row_end));
  return box;
}

bool Overlaps(const Box& a, const Box& b) {
  return a.item_begin < b.item_end && b.item_begin < a.item_end && a.plane_begin < b.plane_end &&
         b.plane_begin < a.plane_end && a.row_begin < b.row_end && b.row_begin < a.row_end;
}

// Of boxes that overlap.
Box Overlap(const Box& a, const Box& b) {
  return {std::max(a.item_begin, b.item_begin),   std::min(a.item_end, b.item_end),
          std::max(a.plane_begin, b.plane_begin), std::min(a.plane_end, b.plane_end),
          std::max(a.row_begin, b.row_begin),     std::min(a.row_end, b.row_end)};
}

}  // namespace

// A slab is contiguous in the tensor, so what the slice and the slabs have in common, slab after slab, is the slice in
// the order of its bytes.
struct SliceDecoder::Impl {
  // A touched slab.  Only what its touched segments hold of it is decoded.
  struct Slab {
    Box box;
    Bytes data;
  };
  struct Task {
    uint64_t segment = 0;
    Slab* slab = nullptr;
  };

  explicit Impl(OpenFrame opened) : frame(std::move(opened)) {}

  const Geometry& geometry() const { return frame.header().geometry; }

  // The next touched slabs: enough to keep the threads of the arena busy, within bounds.
  std::vector<Slab> TakeSlabs() {
    constexpr uint64_t kMaxBatchBytes = 64 << 20;
    const auto most = static_cast<size_t>(std::max(1, tbb::this_task_arena::max_concurrency()));
    std::vector<Slab> slabs;
    uint64_t bytes = 0;
    for (; next_slab < geometry().num_slabs() && slabs.size() < most; ++next_slab) {
      const Box box = geometry().SlabBox(next_slab);
      if (!Overlaps(box, wanted)) continue;
      bytes += geometry().SegmentBytes(box);
      if (!slabs.empty() && bytes > kMaxBatchBytes) break;
      slabs.push_back({box, {}});
      first_segments.push_back(next_slab * geometry().segments_per_slab());
    }
    return slabs;
  }

  std::vector<Task> TouchedSegments(std::vector<Slab>& slabs) {
    std::vector<Task> tasks;
    for (size_t i = 0; i < slabs.size(); ++i) {
      slabs[i].data.resize(static_cast<size_t>(geometry().SegmentBytes(slabs[i].box)));
      for (uint64_t k = 0; k < geometry().segments_per_slab(); ++k) {
        const uint64_t segment = first_segments[i] + k;
        if (Overlaps(geometry().SegmentBox(segment), wanted)) tasks.push_back({segment, &slabs[i]});
      }
    }
    first_segments.clear();
    return tasks;
  }

  absl::Status DecodeSegment(const Task& task) const {
    DCAC_ASSIGN_OR_RETURN(const Bytes body, frame.ReadBody(task.segment));
    return DecodeSegmentInto(frame.header(), task.segment, body, task.slab->box, task.slab->data.data());
  }

  absl::StatusOr<Bytes> Next() {
    std::vector<Slab> slabs = TakeSlabs();
    const std::vector<Task> tasks = TouchedSegments(slabs);
    std::vector<absl::Status> statuses(tasks.size());
    tbb::parallel_for(size_t{0}, tasks.size(), [&](size_t i) { statuses[i] = DecodeSegment(tasks[i]); });
    for (const absl::Status& status : statuses) DCAC_RETURN_IF_ERROR(status);
    decoded_segments += tasks.size();
    Bytes out;
    for (const Slab& slab : slabs) AppendOverlap(slab, out);
    return out;
  }

  void AppendOverlap(const Slab& slab, Bytes& out) const {
    const Box box = Overlap(slab.box, wanted);
    const Extents& extents = geometry().extents();
    Bytes packed(static_cast<size_t>(geometry().SegmentBytes(box)));
    GatherBox(extents, slab.box, box, slab.data.data(), packed.data());
    const size_t begin = out.size();
    out.resize(begin + packed.size());
    ScatterBox(extents, box, box, packed.data(), out.data() + begin);
  }

  OpenFrame frame;
  Box wanted;
  TensorSpec spec;
  uint64_t next_slab = 0;
  std::vector<uint64_t> first_segments;  // of the slabs taken last
  uint64_t decoded_segments = 0;
};

SliceDecoder::SliceDecoder(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
SliceDecoder::SliceDecoder(SliceDecoder&&) noexcept = default;
SliceDecoder& SliceDecoder::operator=(SliceDecoder&&) noexcept = default;
SliceDecoder::~SliceDecoder() = default;

absl::StatusOr<SliceDecoder> SliceDecoder::Create(FrameAccess frame, const Slice& slice, const DecodeLimits& limits) {
  return CatchOutOfMemory([&]() -> absl::StatusOr<SliceDecoder> {
    DCAC_ASSIGN_OR_RETURN(OpenFrame opened, OpenFrame::Open(std::move(frame), limits));
    auto impl = std::make_unique<Impl>(std::move(opened));
    const Extents& extents = impl->geometry().extents();
    DCAC_ASSIGN_OR_RETURN(impl->wanted, BoxOf(slice, extents));
    impl->spec = impl->frame.header().spec;
    impl->spec.shape = {impl->wanted.items(), impl->wanted.planes(), impl->wanted.rows(), extents.width};
    return SliceDecoder(std::move(impl));
  });
}

const TensorSpec& SliceDecoder::spec() const {
  return impl_->spec;
}

absl::StatusOr<std::vector<std::byte>> SliceDecoder::Next() {
  return CatchOutOfMemory([&] { return impl_->Next(); });
}

std::uint64_t SliceDecoder::decoded_segments() const {
  return impl_->decoded_segments;
}

absl::StatusOr<SliceResult> DecompressSlice(std::span<const std::byte> frame, const Slice& slice,
                                            const DecodeLimits& limits) {
  DCAC_ASSIGN_OR_RETURN(SliceDecoder decoder, SliceDecoder::Create(AccessMemory(frame), slice, limits));
  SliceResult result;
  result.tensor.spec = decoder.spec();
  while (true) {
    DCAC_ASSIGN_OR_RETURN(const Bytes next, decoder.Next());
    if (next.empty()) break;
    DCAC_RETURN_IF_ERROR(CatchOutOfMemory([&]() -> absl::Status {
      AppendBytes(next, result.tensor.data);
      return absl::OkStatus();
    }));
  }
  result.decoded_segments = decoder.decoded_segments();
  return result;
}

}  // namespace dcac
