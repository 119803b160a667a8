// Where the bits of a segment went: what decoding counts when it is asked to (dcac/explain.h).
#ifndef DCAC_CORE_CODEC_SEGMENT_ACCOUNT_H_
#define DCAC_CORE_CODEC_SEGMENT_ACCOUNT_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/codec/model_side.h"
#include "core/codec/plane_kinds.h"

namespace dcac {

// What a token says of its sample.
enum class TokenUse : uint8_t {
  kMode = 0,       // it is the most frequent sample
  kWest = 1,       // it is the sample to the left
  kNorth = 2,      // ... above
  kReference = 3,  // ... at the same place of the first reference
  kEscape = 4,     // it follows as it is
  kResidual = 5,   // its distance from the prediction
};
inline constexpr size_t kNumTokenUses = 6;

// Samples and their code length: -log2 of the probabilities in the tables, plus raw bits.
struct TokenAccount {
  uint64_t samples = 0;
  double bits = 0;
};
using TokenAccounts = std::array<TokenAccount, kNumTokenUses>;

// Of a plane set.
struct SetAccount {
  std::vector<double> plane_bits;
  TokenAccounts tokens;
};

// How a plane depends on an earlier one of its segment.
struct ReferenceAccount {
  int plane = 0;
  double weight = 0;    // of its innovation; 1 for the source of a difference or duplicate
  double strength = 0;  // sum of the magnitudes of all weights of terms that name it
};

struct PlaneAccount {
  PlaneKind kind = PlaneKind::kNormal;
  double bits = 0;
  std::vector<ReferenceAccount> references;  // in the order in which the format names them
};

// How often rows of a token layout repeat or refer to a row `distance` rows earlier.
struct RowDistance {
  uint32_t distance = 0;
  uint64_t rows = 0;
};

// Of a segment whose rows, not planes, are what refers to each other.
struct RowAccount {
  uint64_t rows = 0;
  uint64_t referring = 0;              // rows that are predicted from an earlier one
  uint64_t repeated = 0;               // rows that equal an earlier one
  std::vector<RowDistance> distances;  // any order; each distance once
};

struct SegmentAccount {
  uint64_t side_bytes = 0;  // parameters of the model
  TokenAccounts tokens;
  std::vector<PlaneAccount> planes;  // empty where the segment is coded as a whole
  RowAccount rows;
};

// The references of a modelled plane, as planes of the segment.
std::vector<ReferenceAccount> ReferencesOf(const PlaneSet& set, const PlaneModel& model);

// Enters kinds and sources of all planes; their bits are 0 until AccountForSet adds those of the plane's set.
void AccountForPlaneCodings(const std::vector<PlaneCoding>& codings, SegmentAccount& account);
void AccountForSet(const ModelledSet& modelled, const SetAccount& set_account, SegmentAccount& account);

}  // namespace dcac

#endif  // DCAC_CORE_CODEC_SEGMENT_ACCOUNT_H_
