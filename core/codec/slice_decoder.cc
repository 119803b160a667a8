#include <oneapi/tbb/parallel_for.h>
#include <oneapi/tbb/task_arena.h>

#include <algorithm>
#include <optional>
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

// The planes of a slice are those of samples, the planes of a box are those of components.
absl::StatusOr<Box> BoxOf(const Slice& slice, const Extents& extents) {
  Box box{slice.item_begin, slice.item_end, slice.plane_begin, slice.plane_end, slice.row_begin, slice.row_end};
  DCAC_RETURN_IF_ERROR(CutRange("items", extents.items, box.item_begin, box.item_end));
  DCAC_RETURN_IF_ERROR(CutRange("planes", extents.planes / extents.components, box.plane_begin, box.plane_end));
  DCAC_RETURN_IF_ERROR(CutRange("rows", extents.height, box.row_begin, box.row_end));
  const uint64_t head = extents.unit / extents.components;
  if (extents.layout == Layout::kHeads && (box.plane_begin % head != 0 || box.plane_end % head != 0)) {
    return absl::InvalidArgumentError(
        absl::StrCat("planes ", box.plane_begin, ":", box.plane_end, ", expected whole heads of ", head, " planes"));
  }
  box.plane_begin *= extents.components;
  box.plane_end *= extents.components;
  return box;
}

TensorSpec SpecOf(const Box& box, const Extents& extents, TensorSpec spec) {
  const uint64_t planes = box.planes() / extents.components, head = extents.unit / extents.components;
  switch (extents.layout) {
    case Layout::kNchw:
      spec.shape = {box.items(), planes, box.rows(), extents.width};
      break;
    case Layout::kNhwc:
      spec.shape = {box.items(), box.rows(), extents.width, planes};
      break;
    case Layout::kTokens:
      spec.shape = {box.items(), box.rows(), planes};
      break;
    case Layout::kHeads:
      spec.shape = {box.items(), planes / head, box.rows(), head};
      break;
    case Layout::kFlat:
      spec.shape = {box.items()};
      spec.layout = Layout::kFlat;
      break;
  }
  return spec;
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

// Where the samples of a box are in memory that holds nothing else, in the order of the tensor.
struct BoxMemory {
  Box box;
  uint64_t unit = 1;  // planes that alternate sample by sample
  uint64_t width = 1;

  // Of a sample of the first column; the next column is `unit` further.
  uint64_t At(uint64_t item, uint64_t plane, uint64_t row) const {
    const uint64_t in_box = plane - box.plane_begin;
    const uint64_t units = (item - box.item_begin) * (box.planes() / unit) + in_box / unit;
    return (units * box.rows() + row - box.row_begin) * width * unit + in_box % unit;
  }
};

// A part of a slab: of units of which not all planes are wanted, those that are.
BoxMemory PartMemory(const Extents& extents, const Box& part) {
  return {part, part.planes() % extents.unit == 0 ? extents.unit : part.planes(), extents.width};
}

// Copies the samples of a part of a slab, those of each unit position by position.
void CopyPart(const BoxMemory& slab, const std::byte* slab_data, const BoxMemory& part, std::byte* part_data,
              uint64_t sample_bytes) {
  const Box& box = part.box;
  const uint64_t from_step = slab.unit * sample_bytes, to_step = part.unit * sample_bytes;
  const uint64_t positions = box.rows() * part.width;
  for (uint64_t item = box.item_begin; item < box.item_end; ++item) {
    for (uint64_t plane = box.plane_begin; plane < box.plane_end; plane += part.unit) {
      const std::byte* from = slab_data + slab.At(item, plane, box.row_begin) * sample_bytes;
      std::byte* to = part_data + part.At(item, plane, box.row_begin) * sample_bytes;
      if (from_step == to_step) {
        std::copy_n(from, positions * to_step, to);
      } else {
        for (uint64_t i = 0; i < positions; ++i) std::copy_n(from + i * from_step, to_step, to + i * to_step);
      }
    }
  }
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

  // What is decoded together.
  struct Batch {
    std::vector<Slab> slabs;
    std::vector<Task> tasks;
    std::vector<Bytes> bodies;  // of the tasks; none: they are not read yet
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

  Batch TakeBatch() {
    Batch batch;
    batch.slabs = TakeSlabs();
    batch.tasks = TouchedSegments(batch.slabs);
    return batch;
  }

  absl::Status Fetch() {
    if (fetched) return absl::OkStatus();
    Batch batch = TakeBatch();
    std::vector<uint64_t> segments;
    for (const Task& task : batch.tasks) segments.push_back(task.segment);
    DCAC_ASSIGN_OR_RETURN(batch.bodies, frame.ReadBodies(segments));
    fetched = std::move(batch);
    return absl::OkStatus();
  }

  absl::Status DecodeTask(const Batch& batch, size_t i) const {
    const Task& task = batch.tasks[i];
    Bytes read;
    if (batch.bodies.empty()) {
      DCAC_ASSIGN_OR_RETURN(read, frame.ReadBody(task.segment));
    }
    return DecodeSegmentInto(frame.header(), task.segment, batch.bodies.empty() ? read : batch.bodies[i],
                             task.slab->box, task.slab->data.data());
  }

  absl::StatusOr<Bytes> Next() {
    const Batch batch = fetched ? *std::exchange(fetched, std::nullopt) : TakeBatch();
    std::vector<absl::Status> statuses(batch.tasks.size());
    tbb::parallel_for(size_t{0}, statuses.size(), [&](size_t i) { statuses[i] = DecodeTask(batch, i); });
    for (const absl::Status& status : statuses) DCAC_RETURN_IF_ERROR(status);
    decoded_segments += batch.tasks.size();
    Bytes out;
    for (const Slab& slab : batch.slabs) AppendOverlap(slab, out);
    return out;
  }

  void AppendOverlap(const Slab& slab, Bytes& out) const {
    const Box box = Overlap(slab.box, wanted);
    const Extents& extents = geometry().extents();
    const size_t begin = out.size();
    out.resize(begin + static_cast<size_t>(geometry().SegmentBytes(box)));
    CopyPart({slab.box, extents.unit, extents.width}, slab.data.data(), PartMemory(extents, box), out.data() + begin,
             extents.sample_bytes);
  }

  OpenFrame frame;
  Box wanted;
  TensorSpec spec;
  uint64_t next_slab = 0;
  std::vector<uint64_t> first_segments;  // of the slabs taken last
  std::optional<Batch> fetched;
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
    impl->spec = SpecOf(impl->wanted, extents, impl->frame.header().spec);
    return SliceDecoder(std::move(impl));
  });
}

const TensorSpec& SliceDecoder::spec() const {
  return impl_->spec;
}

absl::Status SliceDecoder::Fetch() {
  return CatchOutOfMemory([&] { return impl_->Fetch(); });
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
