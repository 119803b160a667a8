// Where the bytes of a frame went: segment by segment and plane by plane, and what reference planes saved.
//
// Bits of a plane are those of its samples: the lengths of their codes, -log2 of the probabilities that the coder
// uses, plus raw bits.  What belongs to no plane - parameters of models, checksums, the coder's rounding - is counted
// apart, so that everything adds up to the bytes of the frame.
#ifndef DCAC_EXPLAIN_H_
#define DCAC_EXPLAIN_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "dcac/frame_info.h"
#include "dcac/options.h"
#include "dcac/tensor.h"

namespace dcac {

struct ExplainOptions {
  // Whether every segment that may have references is also encoded without reference planes (mode intra), to tell what
  // they save.  Costs an encoding.
  bool compare = true;
  // 1 .. 9, at which the frame was encoded and is compared; nothing: one whose segments are of the same form.
  std::optional<int> level;
  // Most planes told apart, 1 or more; a tensor of more planes is explained by groups of consecutive ones.
  std::size_t max_planes = 4096;
  // Most references kept of a plane, 1 or more: the strongest.
  std::size_t max_references = 16;
  // Of the frame.
  DecodeLimits limits;
};

// How a sample of a modelled plane is coded.
enum class SampleCoding : std::uint8_t {
  kMode = 0,       // said to be the most frequent sample (of activations: zero)
  kWest = 1,       // said to be the sample to the left
  kNorth = 2,      // ... above
  kReference = 3,  // ... at the same place of the first reference
  kEscape = 4,     // no number that the model knows; written as it is
  kResidual = 5,   // as the distance from a prediction
};
inline constexpr std::size_t kNumSampleCodings = 6;
std::string_view SampleCodingName(SampleCoding coding);  // "mode", "west", "north", "reference", "escape", "residual"

struct SampleCount {
  std::uint64_t samples = 0;
  double bits = 0;
};
using SampleCounts = std::array<SampleCount, kNumSampleCodings>;  // by SampleCoding

// A plane (or group of planes) that others are predicted from.
struct PlaneReference {
  std::uint64_t plane_begin = 0;
  std::uint64_t items_back = 0;  // 0: of the same item
  std::uint64_t uses = 0;        // by planes of segments
  double weight = 0;    // mean over the uses: of what the plane's own neighbourhood misses; 1: difference or duplicate
  double strength = 0;  // mean over the uses: sum of the magnitudes of all weights of the plane and its neighbourhood
};

// A plane, over all items and rows, or a group of consecutive ones.
struct PlaneExplanation {
  std::uint64_t plane_begin = 0, plane_end = 0;
  std::uint64_t samples = 0;
  double bits = 0;
  double bits_without_references = 0;      // where compared
  PlaneCounts parts;                       // of segments
  std::vector<PlaneReference> references;  // the strongest first; strong is what is used often with great weights
};

// How often a row (token) is predicted from a row `distance` rows before it.
struct RowReference {
  std::uint64_t distance = 0;
  std::uint64_t rows = 0;
};

// Of segments whose rows refer to each other, instead of planes.
struct RowExplanation {
  std::uint64_t rows = 0;
  std::uint64_t referring = 0;           // predicted from an earlier row
  std::uint64_t repeated = 0;            // equal to an earlier row
  std::vector<RowReference> references;  // the most frequent first, at most 64
};

struct SegmentExplanation {
  SegmentInfo info;
  double sample_bits = 0;                             // of all planes
  std::uint64_t stored_bytes_without_references = 0;  // where compared
  SampleCounts samples;
};

struct FrameExplanation {
  FrameInfo info;
  std::vector<PlaneExplanation> planes;
  std::vector<SegmentExplanation> segments;
  RowExplanation rows;
  SampleCounts samples;

  // info.frame_bytes = sample_bits / 8 + side_bytes + other_bytes.
  double sample_bits = 0;        // of all planes
  std::uint64_t side_bytes = 0;  // parameters of models
  double other_bytes = 0;        // header, index, checksums, states of entropy coders, rounding

  bool compared = false;
  std::uint64_t frame_bytes_without_references = 0;  // where compared
};

// Explains a frame that arrives in pieces, in the memory that a FrameDecoder and, where compared, the encoding of the
// segments in flight need.  One thread at a time may use an object; segments are worked on by the calling thread's
// oneTBB arena.  Equal frames have equal explanations, whatever the machine and the number of threads.
class FrameExplainer {
 public:
  explicit FrameExplainer(const ExplainOptions& options = {});
  FrameExplainer(FrameExplainer&&) noexcept;
  FrameExplainer& operator=(FrameExplainer&&) noexcept;
  ~FrameExplainer();

  // As FrameDecoder::CancelOn.
  void CancelOn(const std::atomic<bool>* cancelled);

  // The next bytes of the frame.  Errors: as FrameDecoder::Push; InvalidArgument (level).
  absl::Status Push(std::span<const std::byte> data);

  // Errors: DataLoss (the frame is truncated).
  absl::StatusOr<FrameExplanation> Finish();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Errors: as Decompress.
absl::StatusOr<FrameExplanation> ExplainFrame(std::span<const std::byte> frame, const ExplainOptions& options = {});

// Explains the frame that Compress would make of a tensor.  Errors: as Compress.  The level is that of
// `encode_options`.
absl::StatusOr<FrameExplanation> ExplainTensor(const TensorSpec& spec, std::span<const std::byte> data,
                                               const EncodeOptions& encode_options = {},
                                               const ExplainOptions& options = {});

}  // namespace dcac

#endif  // DCAC_EXPLAIN_H_
