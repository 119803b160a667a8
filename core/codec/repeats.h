// Rows and columns that repeat the ones before them in all planes of a segment (docs/format.md, "Repeats"): what a
// network makes of the margins that a picture of another shape was given.  The others are coded without them.
#ifndef DCAC_CORE_CODEC_REPEATS_H_
#define DCAC_CORE_CODEC_REPEATS_H_

#include <cstddef>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "core/base/bytes.h"
#include "core/codec/segment_codec.h"

namespace dcac {

class SegmentSamples;

// Of rows or columns: `count` from `begin` on, all of which equal that before `begin`, which is at least 1.
struct RepeatRun {
  int begin = 0;
  int count = 0;

  friend bool operator==(const RepeatRun&, const RepeatRun&) = default;
};

// Of each axis in ascending order, with others in between.
struct Repeats {
  std::vector<RepeatRun> rows, columns;

  bool empty() const { return rows.empty() && columns.empty(); }
};

inline constexpr size_t kMaxRepeatRuns = 8;             // of an axis
inline constexpr size_t kMaxRepeatsBytes = 2 + 16 * 8;  // as they are written: two numbers of up to four bytes a run

// Encoder: the repeats that are worth leaving out, few in number and long.
Repeats FindRepeats(const SegmentSamples& samples);

// Of the samples that are left.
SegmentShape WithoutRepeats(SegmentShape shape, const Repeats& repeats);
// Copies those to `kept`, plane after plane.
void LeaveOutRepeats(const SegmentSamples& samples, const Repeats& repeats, std::span<std::byte> kept);
// The inverse: `packed` are all samples of `shape`.
void PutBackRepeats(const SegmentShape& shape, const Repeats& repeats, ByteSpan kept, std::span<std::byte> packed);

void AppendRepeats(const Repeats& repeats, Bytes& out);
// Errors: DataLoss (runs that are none, too many, or beyond the shape; none at all; planes in token order).
absl::Status ReadRepeats(ByteReader& reader, const SegmentShape& shape, Repeats& repeats);

}  // namespace dcac

#endif  // DCAC_CORE_CODEC_REPEATS_H_
