// One group of planes as the lanes coder sees it, and the kernels that predict, decode and analyse it
// (docs/format-lanes.md).
//
// The rows of a group's planes lie side by side and form one raster; interlaced, each row is split into its even
// columns and then its odd ones, which makes a raster of half the width and twice the rows.  Positions of the raster
// are coded in ascending order, up to 64 of them together.  Everything a position needs lies a fixed distance before
// it.
#ifndef DCAC_CORE_KERNELS_LANE_GROUP_H_
#define DCAC_CORE_KERNELS_LANE_GROUP_H_

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "core/kernels/byte_rans.h"
#include "core/kernels/lane_rans.h"

namespace dcac {

inline constexpr size_t kMaxLaneTaps = 9;
inline constexpr int kNarrowTableBits = 10;       // of the slots of all narrow sets
inline constexpr size_t kMaxLaneReferences = 16;  // of a plane
inline constexpr size_t kLaneErrors = 4;          // errors before a position that its expected error is made of
inline constexpr size_t kMaxLaneBins = 16;        // of position, of activity
inline constexpr size_t kLaneCells = 256;         // at most
inline constexpr uint8_t kFixedCenter = 0x80;     // of an entry of the context map: residuals are from the bin's center

// Samples are 8 bits: values are in sixty-fourths, predictions in sixteenths of a step, weights in 2^-13.  Residuals
// are in intervals (byte_rans.h) or tokens (lane_rans.h), for which decoders are slower.
struct NarrowLanes {
  using Value = int16_t;
  using Code = uint8_t;
};
// Samples are 8 bits, and so are predictions, errors, innovations and what contexts are made of; residuals are in
// intervals.  Decoders are the faster for it.
struct ByteLanes {
  using Value = uint8_t;
  using Code = uint8_t;
};
// Samples are 16 bits: values and predictions are binary32.
struct WideLanes {
  using Value = float;
  using Code = int32_t;
};

// Which bin each byte of position or of activity is in: how many thresholds it is above.
struct LaneBins {
  alignas(64) std::array<uint8_t, 256> of_byte{};
  // For who looks into 16 bytes at a time, all by the upper half of the byte: how many thresholds have a lower one, and
  // those that have the same, one in each row, less 128; where there is none, what no byte is above.
  alignas(16) std::array<uint8_t, 16> below{};
  using Row = std::array<int8_t, 16>;
  alignas(16) std::array<Row, kMaxLaneBins - 1> threshold{};
  size_t num_rows = 0;
};

// Parts of the numbers of cells by bytes whose bins are those of their upper halves from 16 on.
struct LaneNibbles {
  alignas(16) std::array<uint8_t, 16> low{};   // of bytes below 16
  alignas(16) std::array<uint8_t, 16> high{};  // of others, by their upper half
  // For who looks into one table: of bytes below 16, of 16, and of others by 16 and their upper half.
  alignas(32) std::array<uint8_t, 32> all{};

  void FindAll() {
    std::copy(low.begin(), low.end(), all.begin());
    std::copy(high.begin(), high.end(), all.begin() + 16);
    all[16] = high[1];
  }
};

// Bytes found by a byte, in rows of 16.
struct LaneByteTable {
  alignas(64) std::array<uint8_t, kLaneCells> byte{};
  // For who looks into one row after the other: each row xor the one before it, but for rows 0 and 8.
  alignas(64) std::array<uint8_t, kLaneCells> change{};
  size_t num_rows = kLaneCells / 16;  // that are in use

  // Whether rows 0 to 7 hold all: with AVX-512 one permutation of two registers looks into these, two into all.
  bool has_few() const { return num_rows <= 8; }

  void FindChanges() {
    for (size_t i = 0; i < kLaneCells; ++i) change[i] = i % 128 < 16 ? byte[i] : byte[i] ^ byte[i - 16];
  }
};

// Tables of a plane set, for all of its groups.
struct LaneTables {
  // Codes of samples: of 8 bits 0 .. 255, else as SampleMap has them.
  int32_t low_code = 0, high_code = 255;
  bool is_float = false;  // wide only
  int mantissa_bits = 0;
  float low = 0, high = 0;  // values of low_code and high_code, wide only

  // What bins are made of: bytes of position and of activity.
  int32_t position_base = 0;
  int position_shift = 0;
  int32_t activity_base = 0;
  int activity_shift = 0;  // narrow only
  LaneBins position_bins, activity_bins;
  bool has_few_activity_bins = false;                              // 8 at most
  LaneNibbles position_nibbles, activity_nibbles, center_nibbles;  // byte lanes
  LaneByteTable context;                                           // of each cell's number; + kFixedCenter
  bool has_fixed_centers = false;
  alignas(64) std::array<int32_t, kMaxLaneBins> center{};       // of each position bin
  alignas(16) std::array<uint8_t, kMaxLaneBins> center_byte{};  // narrow: the same

  // Narrow: token and raw bits of each residual as a byte.
  alignas(64) std::array<uint8_t, 256> token{}, raw{};
  // The same by magnitude, for who looks into 16 bytes at a time: tokens, before their sign, of those below 16, of
  // those below 64 by their quarter, of others by their sixteenth; masks of raw bits of those from 16 on by their
  // sixteenth.
  struct {
    alignas(16) std::array<uint8_t, 16> token{}, token_of_quarter{}, token_of_sixteenth{}, raw_mask_of_sixteenth{};
  } magnitude;

  // Numbers are dense where one of the bins has few: looking up contexts takes as long as there are numbers.
  size_t CellNumber(size_t position_bin, size_t activity_bin) const {
    return has_few_activity_bins ? position_bin << 3 | activity_bin : activity_bin << 4 | position_bin;
  }
  // Above that of all cells of so many bins.
  size_t EndOfCellNumbers(size_t num_position_bins, size_t num_activity_bins) const {
    return has_few_activity_bins ? num_position_bins << 3 : num_activity_bins << 4;
  }

  bool has_mode = false;
  int32_t mode_code = 0;
  int first_residual_token = 0;  // tokens before it are special: mode (where there is one), then escape (wide only)
  int escape_token = -1;
  int shift = 0;  // wide: raw bits below a residual's token
  uint8_t filler_context = 0;
  int table_bits = 0;
  const uint32_t* slots = nullptr;
  size_t num_contexts = 0;
  bool has_intervals = false;                 // in place of tokens
  const IntervalTables* intervals = nullptr;  // to decode them
};

// Raster and parameters of a group.  Arrays that have an entry for each column of a period (one row, or two where
// interlaced) repeat their first 64 entries at the end.
template <typename Lanes>
struct LaneGroup {
  using Value = typename Lanes::Value;

  size_t columns = 0;  // of the raster
  size_t positions = 0;
  size_t period = 0;  // columns, or twice that where interlaced
  size_t step = 0;    // positions coded together, 1 .. 64
  size_t num_taps = 0;
  std::array<size_t, kMaxLaneTaps> tap_distance{};
  // Of columns, one array after the other, `weight_stride` apart: what a sum begins with, then the weights of its
  // terms.
  const Value* spatial = nullptr;  // of taps
  bool has_own_weights = false;
  const Value* own = nullptr;  // of taps, too, where they count differently in planes
  std::array<size_t, kLaneErrors> error_distance{};
  const Value* sigma = nullptr;  // of errors, of the range, of the activity of references
  size_t weight_stride = 0;

  // 255 in columns whose positions stand for no sample, else 0; nullptr: there are none.  Their context is one of their
  // own, in which the residual 0 is all but certain.
  const uint8_t* filler = nullptr;

  // By position, with what lies above the first row before it and room for 64 behind the last.
  Value* value = nullptr;
  bool has_errors = true;  // wide: whether one of their weights is not 0; if not, they may be left as they are
  Value* error = nullptr;
  bool has_references = false;
  const Value* reference = nullptr;  // what references add to the spatial prediction
  const Value* reference_activity = nullptr;
  bool has_innovations = false;  // whether they are wanted
  Value* innovation = nullptr;
};

// Weights of four bytes, and what their sum begins with: those above 0 have a sum of 96 at most, those below 0 of -96
// at least, so that all sums have 16 bits.
inline constexpr size_t kByteTaps = 4;
struct ByteWeights {
  std::array<int32_t, kByteTaps> weight{};
  int32_t base = 0;
};

// How samples of byte lanes are predicted: from those V, V + 1, V - 1 and 2 V positions before, in 64ths.
inline constexpr int kByteTapBits = 6;
// What errors are expected from, in 16ths: the error V before, the mean of those V + 1 and V - 1 before, the range, the
// activity of references.
inline constexpr int kByteActivityBits = 4;
struct ByteTaps {
  ByteWeights value;
  std::optional<ByteWeights> activity;  // else errors are expected from averages; there are no references then
};

// A group of byte lanes: its planes have no columns that differ from others.
template <>
struct LaneGroup<ByteLanes> {
  size_t columns = 0;
  size_t positions = 0;
  size_t period = 0;  // columns
  size_t step = 0;    // positions coded together, 1 .. 64
  ByteTaps taps;
  const int16_t* base = nullptr;  // of each column, in place of that of the taps; only where weights of activity are
  static constexpr const uint8_t* filler = nullptr;  // there are none

  // By position, with what lies above the first row before it and room for 64 behind the last.
  uint8_t* value = nullptr;  // codes
  uint8_t* error = nullptr;
  bool has_references = false;         // only where weights of activity are
  const int16_t* reference = nullptr;  // in 64ths
  const uint8_t* reference_activity = nullptr;
  bool has_innovations = false;   // whether they are wanted
  int innovation_bits = 0;        // below the point
  uint8_t* innovation = nullptr;  // each 128 more than it is
};

// What the references of one plane add to its spatial prediction: their weighted innovations, and how large these are.
template <typename Lanes>
struct LaneReferences {
  using Value = typename Lanes::Value;

  size_t count = 0;
  std::array<const Value*, kMaxLaneReferences> innovation{};  // their first rows
  std::array<Value, kMaxLaneReferences> weight{};
  Value share{};  // the weight of each in the mean of their magnitudes
  Value unit{};   // what the sum begins with
  size_t rows = 0, columns = 0;
  size_t innovation_stride = 0, stride = 0;  // of rows of the innovations, of the results
  Value* sum = nullptr;
  Value* activity = nullptr;
};

inline constexpr size_t kMaxByteReferences = 4;
inline constexpr int kMaxInnovationBits = 2;
// Of byte lanes.  Weights are in 64ths before the shift; those of the first two references have magnitudes of 127
// together at most, and so have those of the others.
template <>
struct LaneReferences<ByteLanes> {
  size_t count = 0;
  std::array<const uint8_t*, kMaxByteReferences> innovation{};  // their first rows
  std::array<int16_t, kMaxByteReferences> weight{};
  int shift = 0;  // right, of the sum of products: -1 doubles it, to what has 16 bits
  size_t rows = 0, columns = 0;
  size_t innovation_stride = 0, stride = 0;  // of rows of the innovations, of the results
  size_t room = 0;  // columns of each row of the results, from its first on, that may be overwritten
  int16_t* sum = nullptr;
  uint8_t* activity = nullptr;
};

void SumLaneReferences(const LaneReferences<NarrowLanes>& references);
void SumLaneReferences(const LaneReferences<ByteLanes>& references);
void SumLaneReferences(const LaneReferences<WideLanes>& references);

// What the analysis of a group finds, by position.
template <typename Lanes>
struct LaneAnalysis {
  uint8_t* position = nullptr;
  uint8_t* activity = nullptr;
  typename Lanes::Code* center = nullptr;  // the code nearest to the prediction
};
template <>
struct LaneAnalysis<ByteLanes> : LaneAnalysis<NarrowLanes> {};

// Encoder: predictions, errors and innovations of a group whose values are all known.
void AnalyseLaneGroup(const LaneTables& tables, const LaneGroup<NarrowLanes>& group,
                      const LaneAnalysis<NarrowLanes>& analysis);
void AnalyseLaneGroup(const LaneTables& tables, const LaneGroup<WideLanes>& group,
                      const LaneAnalysis<WideLanes>& analysis);
void AnalyseLaneGroup(const LaneTables& tables, const LaneGroup<ByteLanes>& group,
                      const LaneAnalysis<ByteLanes>& analysis);

// Symbols of a group: 64 elements for each step, aligned to 64 bytes.
struct LaneSymbols {
  uint16_t* symbol = nullptr;     // context * 64 + token, or the index of an IntervalEntry
  uint8_t* narrow_raw = nullptr;  // narrow: raw bits
  uint16_t* raw = nullptr;        // wide: raw bits, and their number
  uint8_t* raw_bits = nullptr;
};

inline constexpr int32_t kLaneEscapeCode = INT32_MIN;  // of a sample that has none

// Encoder: errors, innovations and symbols of a group whose codes and values (with room for 64 more) are known; sets
// those of fillers.
void TokenizeLaneGroup(const LaneTables& tables, const LaneGroup<NarrowLanes>& group, uint8_t* codes,
                       const LaneSymbols& symbols);
void TokenizeLaneGroup(const LaneTables& tables, const LaneGroup<WideLanes>& group, int32_t* codes,
                       const LaneSymbols& symbols);
void TokenizeLaneGroup(const LaneTables& tables, const LaneGroup<ByteLanes>& group, const LaneSymbols& symbols);

// The same symbols of a group of intervals without fillers that is analysed, coded `step` positions together.  All
// arrays have room for 63 more.
void TokenizeAnalysedGroup(const LaneTables& tables, const LaneAnalysis<NarrowLanes>& analysis, const uint8_t* codes,
                           size_t positions, size_t step, uint16_t* symbols);

// Encoder: symbols of n analysed positions before contexts are known, whose place the cells take; with `fixed`,
// residuals are from the centers of position bins.  All arrays have room for 63 more; what is read there does not
// matter.
void TokenizeLaneCells(const LaneTables& tables, const LaneAnalysis<NarrowLanes>& analysis, const uint8_t* codes,
                       size_t n, bool fixed, const LaneSymbols& symbols);
void TokenizeLaneCells(const LaneTables& tables, const LaneAnalysis<WideLanes>& analysis, const int32_t* codes,
                       size_t n, bool fixed, const LaneSymbols& symbols);

// Decodes a group: codes of `group.positions` samples (with room for 64 more; of byte lanes they are its values). False
// if the words end early or a code is out of range.  `escapes` (wide only): the positions of samples without a code,
// appended.
struct LaneEscapes {
  uint32_t* positions = nullptr;
  size_t count = 0, capacity = 0;
};
bool DecodeLaneGroup(const LaneTables& tables, const LaneGroup<NarrowLanes>& group, LaneRansDecoder& rans,
                     uint8_t* codes);
bool DecodeLaneGroup(const LaneTables& tables, const LaneGroup<NarrowLanes>& group, ByteRansDecoder& rans,
                     uint8_t* codes);  // of intervals; there are no fillers
bool DecodeLaneGroup(const LaneTables& tables, const LaneGroup<WideLanes>& group, LaneRansDecoder& rans, int32_t* codes,
                     LaneEscapes& escapes);
bool DecodeLaneGroup(const LaneTables& tables, const LaneGroup<ByteLanes>& group, ByteRansDecoder& rans);

}  // namespace dcac

#endif  // DCAC_CORE_KERNELS_LANE_GROUP_H_
