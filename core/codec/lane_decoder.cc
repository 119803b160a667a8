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

namespace dcac {
namespace {

// Calls row(first position in the raster, first sample in the plane, step between samples, samples) for the raster rows
// of plane `g` of the group.
template <typename Raster, typename Row>
void ForEachRasterRow(const Raster& raster, const LaneModel& model, int g, size_t raster_columns, Row row) {
  const size_t width = raster.plane_columns();
  const size_t step = model.interlaced ? 2 : 1;
  for (size_t y = 0; y < raster.rows(); ++y) {
    const size_t sample = model.interlaced ? y / 2 * raster.width() + y % 2 : y * width;
    row(y * raster_columns + static_cast<size_t>(g) * width, sample, step,
        raster.has_fillers() && y % 2 != 0 ? width - 1 : width);
  }
}

std::vector<uint32_t> MakeSlots(const LaneModel& model) {
  const std::vector<uint8_t> raw_bits = LaneTokenRawBits(model);
  std::vector<uint16_t> payloads(kMaxLaneTokens);
  for (size_t token = 0; token < payloads.size(); ++token) {
    payloads[token] = TokenPayload(static_cast<uint32_t>(token), raw_bits[token]);
  }
  const size_t slots = size_t{1} << model.table_bits;
  std::vector<uint32_t> table((model.tables.size() + 1) * slots + kSlotPadding);
  for (size_t context = 0; context < model.tables.size(); ++context) {
    const std::vector<uint16_t> frequencies = LaneFrequencies(model.tables[context], model.table_bits);
    BuildSlots(frequencies, std::span(payloads).first(frequencies.size()), table.data() + context * slots);
  }
  for (size_t token = 0; token < payloads.size(); ++token) {
    payloads[token] = TokenPayload(static_cast<uint32_t>(token), 0);
  }
  const std::vector<uint16_t> of_fillers = FillerFrequencies(model);
  BuildSlots(of_fillers, std::span(payloads).first(of_fillers.size()), table.data() + model.tables.size() * slots);
  return table;
}

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
    if (account != nullptr) counter_.emplace(kind, model, *account);
  }

  absl::Status Decode() {
    LaneTables tables = MakeLaneTables(LaneKindOf(kind_), model_);
    const std::vector<uint32_t> slots = MakeSlots(model_);
    tables.slots = slots.data();
    LaneRansDecoder rans;
    DCAC_RETURN_IF_ERROR(rans.Begin(streams_.words));
    for (int first = 0; first < shape_.planes; first += raster_.planes()) {
      {
        const PhaseTimer timer(Phase::kModel);
        raster_.Begin(first);
        references_.Sum(raster_);
      }
      DCAC_RETURN_IF_ERROR(DecodeGroup(tables, rans));
      references_.Keep(raster_);
    }
    DCAC_RETURN_IF_ERROR(rans.Finish());
    if (next_escape_ * 2 != streams_.escapes.size()) {
      return absl::DataLossError(
          absl::StrCat("plane set has ", streams_.escapes.size(), " bytes of escapes, expected ", next_escape_ * 2));
    }
    return kind_ == SampleKind::kF32 ? JoinHalves() : absl::OkStatus();
  }

 private:
  absl::Status DecodeGroup(const LaneTables& tables, LaneRansDecoder& rans) {
    const PhaseTimer timer(Phase::kEntropy);
    const size_t room = raster_.group().positions + 2 * kRansLanes;
    if constexpr (std::is_same_v<Lanes, NarrowLanes>) {
      uint8_t* codes = scratch_->bytes.Get(room);
      if (!DecodeLaneGroup(tables, raster_.group(), rans, codes)) return Malformed();
      if (counter_) counter_->CountGroup(tables, raster_, codes);
      const uint8_t flip = kind_ == SampleKind::kI8 ? 0x80 : 0;
      StoreCodes<uint8_t>(codes, [flip](uint8_t code) { return static_cast<uint8_t>(code ^ flip); });
      return absl::OkStatus();
    } else {
      int32_t* codes = scratch_->codes.Get(room);
      LaneEscapes escapes;
      escapes.capacity = streams_.escapes.size() / 2 - next_escape_;
      escape_positions_.resize(model_.has_escape ? std::min(escapes.capacity, raster_.group().positions) : 0);
      escapes.capacity = escape_positions_.size();
      escapes.positions = escape_positions_.data();
      if (!DecodeLaneGroup(tables, raster_.group(), rans, codes, escapes)) return Malformed();
      if (IsFloat(kind_)) {
        const uint32_t bias = kind_ == SampleKind::kF16 ? 112 : 0;
        const uint32_t offset = (static_cast<uint32_t>(model_.base_exponent) - bias) << tables.mantissa_bits;
        StoreCodes<uint16_t>(codes, [offset](int32_t code) {
          const uint32_t magnitude = static_cast<uint32_t>(code < 0 ? -code : code) - 1 + offset;
          return static_cast<uint16_t>(code == 0 ? 0u : magnitude | (code < 0 ? 0x8000u : 0u));
        });
      } else {
        StoreCodes<uint16_t>(codes, [](int32_t code) { return static_cast<uint16_t>(code); });
      }
      DCAC_RETURN_IF_ERROR(PutEscapes(escapes));
      if (counter_) {
        for (size_t i = 0; i < escapes.count; ++i) codes[escapes.positions[i]] = kLaneEscapeCode;
        counter_->CountGroup(tables, raster_, codes);
      }
      return absl::OkStatus();
    }
  }

  static absl::Status Malformed() {
    return absl::DataLossError("a sample of a plane set is out of its range, or there are too few words or escapes");
  }

  // Of samples that have 4 bytes, the upper half.
  std::byte* PlaceOf(int plane, size_t sample, size_t bytes) const {
    const size_t stride = kind_ == SampleKind::kF32 ? 4 : bytes;
    return planes_[static_cast<size_t>(plane)] + sample * stride + (stride - bytes);
  }

  // Writes codes as samples to where their planes are.
  template <typename Stored, typename Code, typename Convert>
  void StoreCodes(const Code* codes, Convert convert) const {
    const size_t columns = raster_.plane_columns() * static_cast<size_t>(raster_.planes());
    for (int g = 0; g < raster_.planes(); ++g) {
      ForEachRasterRow(raster_, model_, g, columns, [&](size_t position, size_t sample, size_t step, size_t width) {
        std::byte* to = PlaceOf(raster_.first() + g, sample, sizeof(Stored));
        const Code* from = codes + position;
        if (kind_ == SampleKind::kF32) {
          StoreRow<Stored>(from, width, step == 1 ? std::integral_constant<size_t, 4>() : 4 * step, convert, to);
        } else if (step == 1) {
          StoreRow<Stored>(from, width, std::integral_constant<size_t, sizeof(Stored)>(), convert, to);
        } else {
          StoreRow<Stored>(from, width, std::integral_constant<size_t, 2 * sizeof(Stored)>(), convert, to);
        }
      });
    }
  }

  template <typename Stored, typename Code, typename Stride, typename Convert>
  static void StoreRow(const Code* from, size_t count, Stride stride, Convert convert, std::byte* to) {
    for (size_t i = 0; i < count; ++i) {
      const Stored stored = convert(from[i]);
      std::memcpy(to + i * stride, &stored, sizeof(Stored));
    }
  }

  absl::Status PutEscapes(const LaneEscapes& escapes) {
    const size_t width = raster_.plane_columns();
    const size_t columns = width * static_cast<size_t>(raster_.planes());
    for (size_t i = 0; i < escapes.count; ++i) {
      const size_t position = escapes.positions[i], row = position / columns, column = position % columns;
      const size_t x = column % width;
      if (raster_.has_fillers() && row % 2 != 0 && x == width - 1) return Malformed();  // of no sample
      const size_t sample = model_.interlaced ? row / 2 * raster_.width() + 2 * x + row % 2 : row * width + x;
      std::memcpy(PlaceOf(raster_.first() + static_cast<int>(column / width), sample, 2),
                  streams_.escapes.data() + 2 * next_escape_++, 2);
    }
    return absl::OkStatus();
  }

  // Puts the lower halves of binary32 in place.
  absl::Status JoinHalves() {
    const size_t samples = static_cast<size_t>(shape_.plane_samples());
    const bool skips_mode = model_.has_mode && !model_.mode_has_low;
    const uint16_t mode = static_cast<uint16_t>(map_.ToSample(model_.mode_code));
    const std::byte* from = streams_.low.data();
    const std::byte* const end = from + streams_.low.size();
    for (std::byte* plane : planes_) {
      for (size_t i = 0; i < samples; ++i) {
        uint16_t upper;
        std::memcpy(&upper, plane + 4 * i + 2, 2);
        if (skips_mode && upper == mode) {
          std::memset(plane + 4 * i, 0, 2);
          continue;
        }
        if (end - from < 2) return absl::DataLossError("a plane set has too few lower halves");
        std::memcpy(plane + 4 * i, from, 2);
        from += 2;
      }
    }
    if (from != end)
      return absl::DataLossError(absl::StrCat("a plane set has ", end - from, " bytes of lower halves too many"));
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
  size_t next_escape_ = 0;
  std::optional<LaneCounter> counter_;
};

}  // namespace

absl::Status DecodeLaneSet(SampleKind kind, const SetShape& shape, const LaneModel& model, const LaneStreams& streams,
                           const std::vector<std::byte*>& planes, SetAccount* account) {
  if (IsNarrow(kind)) return LaneSetDecoder<NarrowLanes>(kind, shape, model, streams, planes, account).Decode();
  return LaneSetDecoder<WideLanes>(kind, shape, model, streams, planes, account).Decode();
}

}  // namespace dcac
