// Streaming decoder: bytes of one frame in, samples out, memory bounded by the slabs in flight.
#ifndef DCAC_FRAME_DECODER_H_
#define DCAC_FRAME_DECODER_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "dcac/frame_info.h"
#include "dcac/options.h"
#include "dcac/segment_observer.h"
#include "dcac/tensor.h"

namespace dcac {

struct Box;
struct FrameHeader;

// Decodes one frame that arrives in pieces.  Samples come out in the order of the tensor's bytes, a slab at a time;
// each was checked against the checksum of its segment, and the whole against the digest before done().  One thread at
// a time may use an object; segments are decoded on the calling thread's oneTBB arena.  After an error every call
// returns that error, and what was pulled before is to be thrown away.
class FrameDecoder {
 public:
  explicit FrameDecoder(const DecodeLimits& limits = {});
  FrameDecoder(FrameDecoder&&) noexcept;
  FrameDecoder& operator=(FrameDecoder&&) noexcept;
  ~FrameDecoder();

  // Once `*cancelled` is true, pushing decodes no further segment and returns Cancelled.  The flag must outlive the
  // decoder.
  void CancelOn(const std::atomic<bool>* cancelled);

  // Tells `observer` of each segment that is sound from now on; null: nobody, the default.  It must outlive the
  // decoder.
  void ObserveSegments(SegmentObserver* observer);

  // Before the first bytes: from now on samples go to `tensor`, which must outlive the decoder and have as many bytes
  // as the tensor, or pushing returns InvalidArgument; Pull gives none.  They are decoded where they stay, without
  // copies.
  void DecodeTo(std::span<std::byte> tensor);

  // The next bytes of the frame.  Bytes after its end are an error.
  // Errors: DataLoss, Unimplemented, ResourceExhausted as Decompress, Cancelled (CancelOn).
  absl::Status Push(std::span<const std::byte> data);

  // As Push, but decodes only until samples have become ready and keeps the rest of `data`: a few bytes may hold a run
  // of equal samples that fills the memory.  While has_backlog(), Pull and call again, with or without more data.
  absl::Status PushBounded(std::span<const std::byte> data);
  bool has_backlog() const;

  // Says that no more bytes come.  Errors: DataLoss (the frame is truncated).
  absl::Status Finish() const;

  // Moves out the samples that have become ready since the last call.
  std::vector<std::byte> Pull();

  // The tensor's spec; null until the header has arrived.
  const TensorSpec* spec() const;

  // Most bytes of input and output that the decoder holds at a time when samples are pulled after each PushBounded;
  // memory that threads work in comes on top.  0 until the header has arrived.
  std::uint64_t memory_bytes() const;

  bool done() const;                  // the frame is complete and its digest matched
  Digest digest() const;              // of the samples produced so far
  std::uint64_t raw_bytes() const;    // samples produced so far, pulled or not, in bytes
  std::uint64_t frame_bytes() const;  // consumed so far

 private:
  friend class FrameExplainer;  // decodes the segments itself, to count what they cost
  using SegmentDecoder =
      std::function<absl::Status(const FrameHeader& header, std::uint64_t segment_index,
                                 std::span<const std::byte> body, const Box& slab, std::byte* slab_data)>;
  void DecodeSegmentsBy(SegmentDecoder decoder);  // which is called by several threads

  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace dcac

#endif  // DCAC_FRAME_DECODER_H_
