#include "core/codec/lane_decoder.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>

#include "absl/strings/str_cat.h"
#include "core/base/phase_timer.h"
#include "core/base/status_macros.h"
#include "core/codec/lane_account.h"
#include "core/codec/lane_raster.h"
#include "core/codec/lane_references.h"
#include "core/codec/lane_tables.h"
#include "core/kernels/lane_store.h"

namespace dcac {
namespace {

template <typename Lanes>
class LaneSetDecoder {
 public:
  using Value = typename Lanes::Value;

  LaneSetDecoder(SampleKind kind, const SetShape& shape, const LaneModel& model, const LaneStreams& streams,
                 const std::vector<std::byte*>& planes, SetAccount* account)
      : kind_(kind),
        shape_(shape),
        model_(model),
        streams_(streams),
        planes_(planes),
        map_(LaneKindOf(kind), model.base_exponent),
        raster_(map_, shape, model, *scratch_),
        references_(shape, model, scratch_->innovations) {
    for (const LaneExact& exact : model.exact) {
      exact_.Add(static_cast<uint16_t>(map_.ToSample(exact.code)), exact.low);
    }
    if (account != nullptr) counter_.emplace(kind, model, *account);
  }

  absl::Status Decode() {
    LaneTables tables = MakeLaneTables(LaneKindOf(kind_), model_);
    if constexpr (!std::is_same_v<Lanes, WideLanes>) {
      if (model_.has_intervals) {
        IntervalTables intervals;
        intervals.Build(IntervalsOf(model_));
        tables.intervals = &intervals;
        ByteRansDecoder rans;
        return DecodeGroups(tables, rans);
      }
    }
    if constexpr (!std::is_same_v<Lanes, ByteLanes>) {
      const std::vector<uint32_t> slots = MakeLaneSlots(kind_, model_);
      tables.slots = slots.data();
      LaneRansDecoder rans;
      return DecodeGroups(tables, rans);
    }
    return Malformed();
  }

 private:
  template <typename Rans>
  absl::Status DecodeGroups(const LaneTables& tables, Rans& rans) {
    DCAC_RETURN_IF_ERROR(rans.Begin(streams_.words));
    for (int first = 0; first < shape_.planes; first += raster_.planes()) {
      {
        const PhaseTimer timer(Phase::kModel);
        raster_.Begin(first);
        references_.Sum(raster_);
      }
      DCAC_RETURN_IF_ERROR(DecodeGroup(tables, rans));
    }
    DCAC_RETURN_IF_ERROR(rans.Finish());
    if (next_escape_ != streams_.escapes.size()) {
      return absl::DataLossError(
          absl::StrCat("plane set has ", streams_.escapes.size(), " bytes of escapes, expected ", next_escape_));
    }
    if (const std::byte* const end = streams_.low.data() + streams_.low.size(); next_low_ != end) {
      return absl::DataLossError(absl::StrCat("a plane set has ", end - next_low_, " bytes of lower halves too many"));
    }
    return absl::OkStatus();
  }

  template <typename Rans>
  absl::Status DecodeGroup(const LaneTables& tables, Rans& rans) {
    const PhaseTimer timer(Phase::kEntropy);
    if constexpr (!std::is_same_v<Lanes, WideLanes>) {
      uint8_t* codes = nullptr;
      if constexpr (std::is_same_v<Lanes, ByteLanes>) {
        codes = raster_.group().value;
        if (!DecodeLaneGroup(tables, raster_.group(), rans)) return Malformed();
      } else {
        codes = scratch_->bytes.Get(Room());
        if (!DecodeLaneGroup(tables, raster_.group(), rans, codes)) return Malformed();
      }
      if (counter_) counter_->CountGroup(tables, raster_, codes);
      if (kind_ == SampleKind::kI8) FlipBytes(0x80, raster_.group().positions, codes);
      StoreLanePlanes(Rows(), codes, raster_.plane_columns(), Planes());
      return absl::OkStatus();
    } else {
      int32_t* codes = scratch_->codes.Get(Room());
      LaneEscapes escapes;
      escapes.capacity = (streams_.escapes.size() - next_escape_) / 2;
      escape_positions_.resize(model_.has_escape ? std::min(escapes.capacity, raster_.group().positions) : 0);
      escapes.capacity = escape_positions_.size();
      escapes.positions = escape_positions_.data();
      if (!DecodeLaneGroup(tables, raster_.group(), rans, codes, escapes)) return Malformed();
      DCAC_RETURN_IF_ERROR(StoreWide(tables, codes, escapes));
      if (counter_) {
        for (size_t i = 0; i < escapes.count; ++i) codes[escapes.positions[i]] = kLaneEscapeCode;
        counter_->CountGroup(tables, raster_, codes);
      }
      return absl::OkStatus();
    }
  }

  size_t Room() const { return raster_.group().positions + 2 * kRansLanes; }  // of codes of the group

  static absl::Status Malformed() {
    return absl::DataLossError("a sample of a plane set is out of its range, or there are too few words or escapes");
  }

  LanePlaneRows Rows() const {
    return {static_cast<size_t>(shape_.height), raster_.width(), model_.interlaced,
            raster_.plane_columns() * static_cast<size_t>(raster_.planes())};
  }

  // Of the group.
  std::span<std::byte* const> Planes() const {
    return std::span(planes_).subspan(static_cast<size_t>(raster_.first()), static_cast<size_t>(raster_.planes()));
  }

  // Codes of a group to samples where its planes are.
  absl::Status StoreWide(const LaneTables& tables, const int32_t* codes, const LaneEscapes& escapes) {
    const size_t positions = raster_.group().positions;
    const uint32_t bias = kind_ == SampleKind::kF16 ? 112 : 0;
    const uint32_t offset = ((static_cast<uint32_t>(model_.base_exponent) - bias) << tables.mantissa_bits) - 1;
    uint16_t* samples = scratch_->samples.Get(positions);
    SamplesOfLaneCodes(tables, offset, codes, positions, samples);
    others_.clear();
    for (size_t i = 0; i < escapes.count; ++i) {
      const size_t position = escapes.positions[i];
      if (raster_.IsFiller(position)) return Malformed();
      DCAC_ASSIGN_OR_RETURN(samples[position], NextEscapeHalf());
      if (!exact_.Has(samples[position])) continue;
      DCAC_ASSIGN_OR_RETURN(const uint16_t low, NextEscapeHalf());
      others_.push_back({position, low});
    }
    if (kind_ == SampleKind::kF32) {
      DCAC_RETURN_IF_ERROR(StoreFloats(samples));
      for (const OtherLow& other : others_) StoreOther(other);
      return absl::OkStatus();
    }
    StoreLanePlanes(Rows(), samples, raster_.plane_columns(), Planes());
    return absl::OkStatus();
  }

  absl::StatusOr<uint16_t> NextEscapeHalf() {
    if (streams_.escapes.size() - next_escape_ < 2) return Malformed();
    const uint64_t half = LoadLittleEndian(streams_.escapes.data() + next_escape_, 2);
    next_escape_ += 2;
    return static_cast<uint16_t>(half);
  }

  // The lower half of an escape whose upper half is that of an exact sample.
  struct OtherLow {
    size_t position;
    uint16_t low;
  };

  void StoreOther(const OtherLow& other) const {
    const auto [plane, sample] = raster_.PlaceOf(other.position);
    std::memcpy(Planes()[plane] + 4 * sample, &other.low, 2);
  }

  // Of the upper halves in a raster.
  absl::Status StoreFloats(const uint16_t* raster) {
    const size_t count = static_cast<size_t>(shape_.plane_samples());
    uint16_t* upper = scratch_->upper.Get(count);
    std::byte* const upper_plane[] = {reinterpret_cast<std::byte*>(upper)};
    for (std::byte* plane : Planes()) {
      StoreLanePlanes(Rows(), raster, 0, upper_plane);
      raster += raster_.plane_columns();
      next_low_ = JoinLaneHalves(upper, count, exact_, next_low_, streams_.low.data() + streams_.low.size(), plane);
      if (next_low_ == nullptr) return absl::DataLossError("a plane set has too few lower halves");
    }
    return absl::OkStatus();
  }

  SampleKind kind_;
  const SetShape& shape_;
  const LaneModel& model_;
  const LaneStreams& streams_;
  const std::vector<std::byte*>& planes_;
  SampleMap map_;
  ScratchLease<LaneScratch<Value>> scratch_;
  LaneRaster<Lanes> raster_;
  LaneReferencePlanes<Lanes> references_;
  std::vector<uint32_t> escape_positions_;
  ExactHalves exact_;
  std::vector<OtherLow> others_;  // of the group
  size_t next_escape_ = 0;        // byte
  const std::byte* next_low_ = streams_.low.data();
  std::optional<LaneCounter> counter_;
};

}  // namespace

absl::Status DecodeLaneSet(SampleKind kind, const SetShape& shape, const LaneModel& model, const LaneStreams& streams,
                           const std::vector<std::byte*>& planes, SetAccount* account) {
  if (model.bytes) return LaneSetDecoder<ByteLanes>(kind, shape, model, streams, planes, account).Decode();
  if (IsNarrow(kind)) return LaneSetDecoder<NarrowLanes>(kind, shape, model, streams, planes, account).Decode();
  return LaneSetDecoder<WideLanes>(kind, shape, model, streams, planes, account).Decode();
}

}  // namespace dcac
