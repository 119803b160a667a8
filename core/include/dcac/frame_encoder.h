// Streaming encoder: samples in, bytes of one frame out, memory bounded by the slabs in flight.
#ifndef DCAC_FRAME_ENCODER_H_
#define DCAC_FRAME_ENCODER_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "dcac/frame_info.h"
#include "dcac/options.h"
#include "dcac/segment_observer.h"
#include "dcac/tensor.h"

namespace dcac {

// Whether the rotation can be that of RopeChoice::kGiven.  Errors: InvalidArgument (a field out of range).
absl::Status CheckRope(const Rope& rope);

// Encodes one tensor that arrives in pieces, in the order of its bytes.  A slab is the contiguous part of the tensor
// whose segments need each other's input (a few items, or some planes of one item; slab_bytes()).  The encoder holds
// one slab, or as many as the threads of the calling thread's oneTBB arena need to be busy, but no more than 64 MiB of
// several, and encodes their segments in parallel when they are full.  One thread at a time may use an object.  After
// an error every call returns that error.
class FrameEncoder {
 public:
  // Errors: InvalidArgument (spec or options out of range).
  static absl::StatusOr<FrameEncoder> Create(const TensorSpec& spec, const EncodeOptions& options = {});

  FrameEncoder(FrameEncoder&&) noexcept;
  FrameEncoder& operator=(FrameEncoder&&) noexcept;
  ~FrameEncoder();

  // Once `*cancelled` is true, Push encodes no further segment and returns Cancelled.  The flag must outlive the
  // encoder.
  void CancelOn(const std::atomic<bool>* cancelled);

  // Tells `observer` of each segment from now on; null: nobody, the default.  It must outlive the encoder.
  void ObserveSegments(SegmentObserver* observer);

  // Runs what it is given, which does not throw, on some other thread; what it was given first is begun first.
  using StartWork = std::function<void(std::function<void()> work)>;

  // Before the first bytes: each segment is decoded again and compared with its samples, together with the encoding of
  // later ones; the last ones by Verify.  All this is done by `start`, which has so many workers and outlives the
  // encoder; the calling thread, none of them, waits and codes nothing.
  void VerifySegments(StartWork start, int num_workers);

  // The next bytes of the tensor.  Encodes when slabs become full, so a call may take long.
  // Errors: InvalidArgument (more bytes than the spec says), Cancelled (CancelOn), ResourceExhausted (out of memory),
  // Internal (VerifySegments: the encoder or the machine is broken).
  absl::Status Push(std::span<const std::byte> data);

  // The bytes that frame_bytes() does not stand for yet, of which the encoder has a copy: with VerifySegments all but
  // those behind an error.  Valid until the next Push.
  std::span<const std::byte> unencoded() const;

  // Ends the frame.  Errors: InvalidArgument (bytes are missing).
  absl::Status Finish();

  // After VerifySegments: what was pulled gives back the samples for sure only once this has returned OK.  Waits for
  // what goes on since Finish.  Errors: Internal (as Push), Cancelled.
  absl::Status Verify();

  // Moves out what has become ready since the last call: any number of bytes, the frame's next.
  std::vector<std::byte> Pull();

  // Raw bytes of a full slab.
  std::uint64_t slab_bytes() const;

  // Most bytes of input and output that the encoder holds at a time when what is ready is pulled after each Push of no
  // more than a slab; memory that threads work in, which they share with all other encoders, comes on top.
  std::uint64_t memory_bytes() const;

  std::uint64_t raw_bytes() const;      // pushed so far
  std::uint64_t encoded_bytes() const;  // of these, what frame_bytes() stands for
  std::uint64_t frame_bytes() const;    // produced so far, pulled or not
  const Digest& digest() const;         // of the tensor; valid after Finish

 private:
  struct Impl;
  explicit FrameEncoder(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace dcac

#endif  // DCAC_FRAME_ENCODER_H_
