// How each plane of a segment is coded (docs/format.md, "Plane kinds").
#ifndef DCAC_CORE_CODEC_PLANE_KINDS_H_
#define DCAC_CORE_CODEC_PLANE_KINDS_H_

#include <array>
#include <cstdint>
#include <vector>

#include "core/codec/range_coder.h"
#include "core/codec/segment_codec.h"

namespace dcac {

enum class PlaneKind : uint8_t {
  kNormal = 0,      // coded in the plane set of its scale
  kDifference = 1,  // its difference from plane `source` is coded, in a plane set of differences
  kConstant = 2,    // all samples are `value`
  kDuplicate = 3,   // the same as plane `source`
  kUpsampled2 = 4,  // each sample of a plane of half the height and width, rounded up, stands for 2 x 2; that is coded
  kUpsampled4 = 5,  // 4 x 4
  kUpsampled8 = 6,  // 8 x 8
};
inline constexpr uint32_t kNumPlaneKinds = 7;

struct PlaneCoding {
  PlaneKind kind = PlaneKind::kNormal;
  uint32_t value = 0;
  int source = 0;
};

// 1, 2, 4 or 8: how many samples of the plane, in each direction, one coded sample stands for.
inline int ScaleOf(PlaneKind kind) {
  return kind < PlaneKind::kUpsampled2 ? 1 : 2 << (static_cast<int>(kind) - 4);
}

// The plane sets of a segment, in the order in which they are coded.
inline constexpr std::array<PlaneKind, 5> kSetKinds = {
    PlaneKind::kNormal, PlaneKind::kDifference, PlaneKind::kUpsampled2, PlaneKind::kUpsampled4, PlaneKind::kUpsampled8};

// Samples of a segment, widened: planes x height x width.
std::vector<uint32_t> WidenSamples(const SegmentShape& shape, ByteSpan packed);
void NarrowSamples(const SegmentShape& shape, const std::vector<uint32_t>& samples, std::span<std::byte> packed);

// Encoder: finds constant, duplicate and exactly upsampled planes; without `previous_item`, duplicates only of the same
// item.
std::vector<PlaneCoding> ClassifyPlanes(const SegmentShape& shape, const std::vector<uint32_t>& samples,
                                        bool previous_item = true);
std::vector<PlaneCoding> ClassifyPlanes(const SegmentSamples& samples, bool previous_item);

// Encoder, mode dcac: makes normal planes differences of the most similar of the nearest earlier ones, where the
// estimated code length gets smaller.
void ChooseDifferences(const SegmentShape& shape, const std::vector<uint32_t>& samples, const EncodeOptions& options,
                       std::vector<PlaneCoding>& codings);

void EncodePlaneCodings(RangeEncoder& coder, DType dtype, const std::vector<PlaneCoding>& codings);
// coder.failed() is set where a value is out of range.
std::vector<PlaneCoding> DecodePlaneCodings(RangeDecoder& coder, DType dtype, int num_planes);

}  // namespace dcac

#endif  // DCAC_CORE_CODEC_PLANE_KINDS_H_
