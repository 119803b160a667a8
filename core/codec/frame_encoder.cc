#include "dcac/frame_encoder.h"

#include <oneapi/tbb/parallel_for.h>
#include <oneapi/tbb/task_arena.h>

#include <algorithm>
#include <atomic>
#include <deque>
#include <latch>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/hash.h"
#include "core/base/in_order.h"
#include "core/base/out_of_memory.h"
#include "core/base/status_macros.h"
#include "core/codec/segment_codec.h"
#include "core/codec/segment_samples.h"
#include "core/codec/segment_shape.h"
#include "core/codec/segment_timer.h"
#include "core/codec/segment_verifier.h"
#include "core/format/frame.h"
#include "dcac/codec.h"

namespace dcac {
namespace {

absl::Status CheckOptions(const EncodeOptions& options) {
  DCAC_RETURN_IF_ERROR(CheckLevel(options.level));
  if (options.segment_bytes < EncodeOptions::kMinSegmentBytes ||
      options.segment_bytes > EncodeOptions::kMaxSegmentBytes) {
    return absl::InvalidArgumentError(absl::StrCat("segment_bytes is ", options.segment_bytes, ", expected ",
                                                   EncodeOptions::kMinSegmentBytes, " .. ",
                                                   EncodeOptions::kMaxSegmentBytes));
  }
  if (options.max_references && (*options.max_references < 0 || *options.max_references > 16)) {
    return absl::InvalidArgumentError(
        absl::StrCat("max_references is ", *options.max_references, ", expected 0 .. 16"));
  }
  if (options.window < 0)
    return absl::InvalidArgumentError(absl::StrCat("window is ", options.window, ", expected 0 or more"));
  if (ModeName(options.mode) == "unknown")
    return absl::InvalidArgumentError(absl::StrCat("mode ", static_cast<int>(options.mode), " is unknown"));
  if (SimilarityName(options.similarity) == "unknown") {
    return absl::InvalidArgumentError(absl::StrCat("similarity ", static_cast<int>(options.similarity), " is unknown"));
  }
  return options.rope_choice == RopeChoice::kGiven ? CheckRope(options.rope) : absl::OkStatus();
}

// Slabs that follow each other, and the segments in them.
class SlabBatch {
 public:
  // `data`: that of the slabs, and what follows it.
  SlabBatch(const FrameHeader& header, uint64_t first_slab, size_t num_slabs, ByteSpan data)
      : header_(header), first_slab_(first_slab) {
    for (uint64_t slab = first_slab; slab < first_slab + num_slabs; ++slab) {
      const size_t bytes = static_cast<size_t>(geometry().SegmentBytes(geometry().SlabBox(slab)));
      slabs_.push_back(data.first(bytes));
      data = data.subspan(bytes);
    }
  }

  uint64_t first_segment() const { return first_slab_ * per_slab(); }
  size_t num_segments() const { return num_slabs() * per_slab(); }
  size_t num_slabs() const { return slabs_.size(); }
  size_t per_slab() const { return static_cast<size_t>(geometry().segments_per_slab()); }
  ByteSpan slab(size_t i) const { return slabs_[i]; }

  // Where they lie in the slab, if planes do so in one piece.
  SegmentSamples SamplesOf(size_t i) const {
    const Box slab = geometry().SlabBox(first_slab_ + i / per_slab()), box = geometry().SegmentBox(first_segment() + i);
    const SegmentShape shape = ShapeOfBox(header_.spec.dtype, geometry(), box);
    const Extents& extents = geometry().extents();
    const std::byte* slab_data = slabs_[i / per_slab()].data();
    if (const auto places = PlacesOfPlanes(extents, slab, box)) {
      return SegmentSamples(shape, slab_data + places->begin, places->stride);
    }
    if (const auto place = PackedPlace(extents, slab, box)) {
      return SegmentSamples(shape, ByteSpan(slab_data + *place, shape.bytes()));
    }
    auto gathered = std::make_unique_for_overwrite<std::byte[]>(shape.bytes());
    GatherBox(extents, slab, box, slab_data, gathered.get());
    return SegmentSamples(shape, std::move(gathered));
  }

 private:
  const Geometry& geometry() const { return header_.geometry; }

  const FrameHeader& header_;
  uint64_t first_slab_;
  std::vector<ByteSpan> slabs_;
};

// What a frame holds of a segment.
struct CodedSegment {
  Bytes body;
  uint64_t checksum = 0;
};

// Pieces of work that others do, and what becomes of them.
class StartedWork {
 public:
  explicit StartedWork(size_t pieces) : results_(pieces), left_(static_cast<ptrdiff_t>(pieces)) {}

  void Done(size_t piece, absl::Status result) {
    results_[piece] = std::move(result);
    left_.count_down();
  }

  // For all pieces.  The first error of any.
  absl::Status Wait() const {
    left_.wait();
    for (const absl::Status& result : results_) DCAC_RETURN_IF_ERROR(result);
    return absl::OkStatus();
  }

 private:
  std::vector<absl::Status> results_;
  std::latch left_;
};

}  // namespace

absl::Status CheckRope(const Rope& rope) {
  if (rope.theta < 2) {
    return absl::InvalidArgumentError(absl::StrCat("rope theta is ", rope.theta, ", expected 2 or more"));
  }
  if (rope.rotary_dim % 2 != 0 || (rope.head_dim != 0 && rope.rotary_dim > rope.head_dim)) {
    return absl::InvalidArgumentError(absl::StrCat("rope rotates ", rope.rotary_dim, " features of heads of ",
                                                   rope.head_dim,
                                                   ", expected an even number and no more than they have"));
  }
  return absl::OkStatus();
}

struct FrameEncoder::Impl {
  // A batch on its way, with VerifySegments.  What works on it has a share in it.
  struct Verified {
    Verified(const FrameHeader& frame_header, uint64_t first_slab, size_t num_slabs, Bytes samples_of_slabs)
        : samples(std::move(samples_of_slabs)),
          slabs(frame_header, first_slab, num_slabs, samples),
          segments(slabs.num_segments()),
          encoding(segments.size()),
          verification(segments.size()) {}

    Bytes samples;  // where the batch has its slabs
    SlabBatch slabs;
    std::vector<CodedSegment> segments;
    StartedWork encoding, verification;
  };

  Impl(const TensorSpec& spec, const EncodeOptions& encode_options, uint64_t tensor_bytes)
      : header{spec, Geometry::Choose(ExtentsOf(spec), encode_options)},
        options(encode_options),
        total_bytes(tensor_bytes) {
    Append(SerializeHeader(header));
  }

  // What goes on works on what is here.
  ~Impl() {
    for (const auto& batch : verifying) batch->verification.Wait().IgnoreError();
  }

  void Append(ByteSpan data) {
    AppendBytes(data, output);
    produced += data.size();
  }

  // How many slabs are encoded together: enough segments to keep the arena busy, within kMaxBatchBytes.
  uint64_t BatchSlabs() const {
    constexpr uint64_t kMaxBatchBytes = 64 << 20;
    const int of_workers = start_work ? num_workers : tbb::this_task_arena::max_concurrency();
    const uint64_t threads = static_cast<uint64_t>(std::max(1, of_workers));
    const uint64_t wanted = (threads + header.geometry.segments_per_slab() - 1) / header.geometry.segments_per_slab();
    return std::max<uint64_t>(1, std::min(wanted, kMaxBatchBytes / slab_bytes()));
  }

  // Encodes the segments of a batch.
  absl::Status EncodeBatch(const SlabBatch& batch) {
    std::vector<CodedSegment> segments(batch.num_segments());
    InOrder digested(batch.num_slabs(), batch.per_slab()), appended(segments.size(), 1);
    tbb::parallel_for(size_t{0}, segments.size(), [&](size_t i) {
      if (IsCancelled()) return;
      digested.Done(i / batch.per_slab(), [&](size_t slab) { digest_stream.Update(batch.slab(slab)); });
      // Who waits for others in a segment must not begin with the next one: all of the batch might lie on its stack.
      segments[i] = tbb::this_task_arena::isolate([&] { return EncodeSegment(batch, i); });
      appended.Done(i, [&](size_t next) {
        AppendSegmentOf(segments, next);
        segments[next].body = Bytes();
      });
    });
    return IsCancelled() ? absl::CancelledError("encoding was cancelled") : absl::OkStatus();
  }

  // Encodes what is pending while the batch before is verified.  Who encodes next waits only for the verification of
  // the batch before that, so that threads have something to do while one of them is still at a segment, and while what
  // was encoded is taken away and new samples come.
  absl::Status EncodeVerified() {
    const auto batch = std::make_shared<Verified>(header, next_slab, slabs, std::exchange(pending, {}));
    const bool is_next = AddNextToVerify();  // before anything is begun: it needs memory
    Start(batch, batch->encoding, [this](Verified& coded, size_t i) {
      coded.segments[i] = EncodeSegment(coded.slabs, i);
      return absl::OkStatus();
    });
    if (is_next) StartVerification(verifying.back());
    digest_stream.Update(batch->samples);
    absl::Status result = batch->encoding.Wait();
    Bytes memory;
    if (verifying.size() > 1) {
      result.Update(verifying.front()->verification.Wait());
      memory = std::move(verifying.front()->samples);
      verifying.pop_front();
    }
    if (result.ok()) {
      result = CatchOutOfMemory([&] {
        for (size_t i = 0; i < batch->segments.size(); ++i) AppendSegmentOf(batch->segments, i);
        return absl::OkStatus();
      });
    }
    if (!result.ok()) {
      pending = std::move(batch->samples);
      return result;
    }
    unverified = batch;
    memory.clear();
    pending = std::move(memory);
    return absl::OkStatus();
  }

  // Whether there is a batch whose verification can begin, as the last of `verifying`.
  bool AddNextToVerify() {
    if (!unverified) return false;
    verifying.push_back(unverified);
    unverified = nullptr;
    return true;
  }

  void StartVerification(const std::shared_ptr<Verified>& batch) const {
    Start(batch, batch->verification, [](Verified& coded, size_t i) {
      return VerifySegmentBody(coded.slabs.SamplesOf(i), coded.segments[i].body);
    });
  }

  // Has others do `code` for each segment of a batch.
  template <typename Code>
  void Start(const std::shared_ptr<Verified>& batch, StartedWork& work, const Code& code) const {
    for (size_t i = 0; i < batch->segments.size(); ++i) {
      const absl::Status started = CatchOutOfMemory([&] {
        start_work([this, batch, &work, code, i] {
          work.Done(i, IsCancelled() ? absl::CancelledError("encoding was cancelled")
                                     : CatchOutOfMemory([&]() -> absl::Status { return code(*batch, i); }));
        });
        return absl::OkStatus();
      });
      if (!started.ok()) work.Done(i, started);
    }
  }

  void StartLastVerification() {
    if (AddNextToVerify()) StartVerification(verifying.back());
  }

  absl::Status Verify() {
    StartLastVerification();
    absl::Status result;
    for (const auto& batch : verifying) result.Update(batch->verification.Wait());
    verifying.clear();
    return result;
  }

  // Segment i of a batch, after those before it.
  void AppendSegmentOf(const std::vector<CodedSegment>& segments, size_t i) {
    const CodedSegment& segment = segments[i];
    MakeRoom(segment, segments.size() - i);
    const size_t before = output.size();
    AppendSegment(segment.body, segment.checksum, output);
    stored_bytes.push_back(output.size() - before);
    produced += stored_bytes.back();
  }

  CodedSegment EncodeSegment(const SlabBatch& batch, size_t i) const {
    const SegmentTimer timer(observer);
    const SegmentSamples samples = batch.SamplesOf(i);
    CodedSegment segment = {EncodeSegmentBody(samples, options)};
    segment.checksum = SegmentChecksum(batch.first_segment() + i, segment.body);
    timer.Done(samples.size(), segment.body.size());
    return segment;
  }

  // For a segment, as many others as large as it but for the last ones, and what follows the last one of all, so that
  // it makes nothing move.
  void MakeRoom(const CodedSegment& segment, size_t segments_left) {
    constexpr size_t kMaxVarint = 10, kMost = kMaxVarint + kSegmentChecksumBytes;
    const size_t end = kTrailerBytes + kMaxVarint * (stored_bytes.size() + segments_left);
    const size_t needed = output.size() + kMost + segment.body.size() + end;
    if (needed <= output.capacity()) return;
    const size_t of_others = (segments_left - 1) * (kMost + segment.body.size() + segment.body.size() / 16);
    const absl::Status made = CatchOutOfMemory([&] {
      output.reserve(std::max(needed + of_others, RoomToGrow(end)));
      return absl::OkStatus();
    });
    if (!made.ok()) output.reserve(needed);  // more was only for speed
  }

  // What grows is there twice while it moves.  A large frame of a tensor that is in memory moves for the last time:
  // room that is never written is no memory.  `end`: what follows the last segment.
  size_t RoomToGrow(size_t end) const {
    constexpr size_t kMaxToDouble = 16 << 20;
    if (!came_whole || output.size() < kMaxToDouble) return 2 * output.capacity();
    return output.size() + static_cast<size_t>(MaxFrameBytes(total_bytes - encoded)) + end;
  }

  uint64_t slab_bytes() const { return std::max<uint64_t>(1, header.geometry.max_slab_bytes()); }

  bool IsCancelled() const { return cancelled != nullptr && cancelled->load(std::memory_order_relaxed); }

  uint64_t BatchBytes(uint64_t num_slabs) const {
    uint64_t bytes = 0;
    for (uint64_t slab = next_slab; slab < next_slab + num_slabs; ++slab)
      bytes += header.geometry.SegmentBytes(header.geometry.SlabBox(slab));
    return bytes;
  }

  // How many slabs the next batch has, which begins with `data`.
  size_t SlabsToEncode(ByteSpan data) const {
    const uint64_t slabs_left = header.geometry.num_slabs() - next_slab;
    uint64_t wanted = BatchSlabs();
    // Of a tensor that is in memory, threads take more at once, so as to wait for each other less.  Streams bring less
    // at a time: what they take is bounded by BatchSlabs().
    constexpr size_t kMinInMemory = (4 << 20) + 1, kMaxBatchInMemory = 32 << 20;
    if (!start_work && data.size() >= kMinInMemory) {
      const bool is_rest = data.size() == total_bytes - encoded && data.size() <= kMaxBatchInMemory;
      const uint64_t whole = std::min(data.size(), kMaxBatchInMemory) / slab_bytes();
      wanted = std::max(wanted, is_rest ? slabs_left : whole);
    }
    return static_cast<size_t>(std::min(wanted, slabs_left));
  }

  // Takes input until a batch of slabs is full, encodes it, and so on.
  absl::Status Consume(ByteSpan data) {
    while (!data.empty()) {
      // For the whole batch: the arena may change between calls.
      if (pending.empty()) slabs = SlabsToEncode(data);
      const uint64_t needed_of_batch = BatchBytes(slabs);
      const size_t needed = static_cast<size_t>(needed_of_batch) - pending.size();
      const size_t taken = std::min(needed, data.size());
      // No copy where the caller has whole slabs, unless they are looked at again later.
      const bool in_place = pending.empty() && taken == needed && !start_work;
      if (!in_place) {
        if (pending.empty()) pending.reserve(needed);
        AppendBytes(data.first(taken), pending);
      }
      if (taken == needed) {
        if (start_work) {
          DCAC_RETURN_IF_ERROR(EncodeVerified());
        } else {
          DCAC_RETURN_IF_ERROR(EncodeBatch({header, next_slab, slabs, in_place ? data : pending}));
          pending.clear();
        }
        next_slab += slabs;
        encoded += needed_of_batch;
      }
      data = data.subspan(taken);
    }
    return absl::OkStatus();
  }

  FrameHeader header;
  EncodeOptions options;
  uint64_t total_bytes;
  uint64_t pushed = 0, encoded = 0, produced = 0;
  uint64_t next_slab = 0;
  size_t slabs = 0;                                 // of the batch that is being filled
  Bytes pending;                                    // input of slabs that are not full yet
  std::shared_ptr<Verified> unverified;             // what was encoded last
  std::deque<std::shared_ptr<Verified>> verifying;  // what was encoded before it
  Bytes output;
  std::vector<uint64_t> stored_bytes;
  DigestStream digest_stream;
  Digest digest{};
  bool came_whole = false;  // in one piece
  bool finished = false;
  FrameEncoder::StartWork start_work;  // with VerifySegments
  int num_workers = 0;
  const std::atomic<bool>* cancelled = nullptr;
  SegmentObserver* observer = nullptr;
  absl::Status status;
};

FrameEncoder::FrameEncoder(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
FrameEncoder::FrameEncoder(FrameEncoder&&) noexcept = default;
FrameEncoder& FrameEncoder::operator=(FrameEncoder&&) noexcept = default;
FrameEncoder::~FrameEncoder() = default;

absl::StatusOr<FrameEncoder> FrameEncoder::Create(const TensorSpec& spec, const EncodeOptions& options) {
  DCAC_ASSIGN_OR_RETURN(const uint64_t bytes, TensorBytes(spec));
  DCAC_RETURN_IF_ERROR(CheckOptions(options));
  return CatchOutOfMemory(
      [&]() -> absl::StatusOr<FrameEncoder> { return FrameEncoder(std::make_unique<Impl>(spec, options, bytes)); });
}

void FrameEncoder::CancelOn(const std::atomic<bool>* cancelled) {
  impl_->cancelled = cancelled;
}

void FrameEncoder::ObserveSegments(SegmentObserver* observer) {
  impl_->observer = observer;
}

void FrameEncoder::VerifySegments(StartWork start, int num_workers) {
  impl_->start_work = std::move(start);
  impl_->num_workers = num_workers;
}

absl::Status FrameEncoder::Push(std::span<const std::byte> data) {
  DCAC_RETURN_IF_ERROR(impl_->status);
  if (impl_->finished) return impl_->status = absl::InvalidArgumentError("data was pushed after the end of the tensor");
  if (data.size() > impl_->total_bytes - impl_->pushed) {
    return impl_->status = absl::InvalidArgumentError(
               absl::StrCat("data of ", impl_->pushed + data.size(), " bytes for a tensor of ", impl_->total_bytes));
  }
  impl_->came_whole = data.size() == impl_->total_bytes;
  impl_->pushed += data.size();
  return impl_->status = CatchOutOfMemory([&] { return impl_->Consume(data); });
}

absl::Status FrameEncoder::Finish() {
  DCAC_RETURN_IF_ERROR(impl_->status);
  if (impl_->finished) return absl::OkStatus();
  if (impl_->pushed != impl_->total_bytes) {
    return impl_->status = absl::InvalidArgumentError(
               absl::StrCat("data of ", impl_->pushed, " bytes for a tensor of ", impl_->total_bytes));
  }
  impl_->digest = impl_->digest_stream.Get();
  return impl_->status = CatchOutOfMemory([&]() -> absl::Status {
           impl_->Append(SerializeIndexAndTrailer(impl_->stored_bytes, impl_->digest));
           impl_->finished = true;
           impl_->StartLastVerification();
           return absl::OkStatus();
         });
}

absl::Status FrameEncoder::Verify() {
  DCAC_RETURN_IF_ERROR(impl_->status);
  return impl_->status = impl_->Verify();
}

std::vector<std::byte> FrameEncoder::Pull() {
  return std::exchange(impl_->output, {});
}
std::span<const std::byte> FrameEncoder::unencoded() const {
  return impl_->pending;
}
std::uint64_t FrameEncoder::memory_bytes() const {
  // Input, bodies of segments, and the frame's bytes made of them, which hardly exceed the input; two batches that are
  // verified or wait for it have the first two.
  const Geometry& geometry = impl_->header.geometry;
  return (impl_->start_work ? 7 : 3) * std::min(impl_->total_bytes, impl_->BatchSlabs() * geometry.max_slab_bytes());
}
std::uint64_t FrameEncoder::slab_bytes() const {
  return impl_->header.geometry.max_slab_bytes();
}
std::uint64_t FrameEncoder::raw_bytes() const {
  return impl_->pushed;
}
std::uint64_t FrameEncoder::encoded_bytes() const {
  return impl_->encoded;
}
std::uint64_t FrameEncoder::frame_bytes() const {
  return impl_->produced;
}
const Digest& FrameEncoder::digest() const {
  return impl_->digest;
}

}  // namespace dcac
