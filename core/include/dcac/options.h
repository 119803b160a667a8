// What a caller may choose: how a tensor is encoded, and what a decoder may use.
#ifndef DCAC_OPTIONS_H_
#define DCAC_OPTIONS_H_

#include <cstdint>
#include <optional>
#include <string_view>

namespace dcac {

// How planes predict each other.
enum class Mode : std::uint8_t {
  kLs = 0,     // several reference planes by weighted least squares, the prediction as context of the entropy coder
  kDcac = 1,   // the method of the DC-AC paper: the most similar nearby plane, plain residual
  kIntra = 2,  // no reference planes
};

// How mode kDcac measures the similarity of two planes.
enum class Similarity : std::uint8_t {
  kBits = 0,         // the estimated code length of the residual (default)
  kDifference = 1,   // the sum of absolute differences
  kCorrelation = 2,  // the correlation coefficient
};

std::string_view ModeName(Mode mode);  // "ls", "dcac", "intra"
std::optional<Mode> ParseMode(std::string_view name);
std::string_view SimilarityName(Similarity similarity);  // "bits", "difference", "correlation"
std::optional<Similarity> ParseSimilarity(std::string_view name);

// Rotary position embedding of keys (attention caches): pair i of a head is rotated by position *
// theta^(-2 i / rotary_dim).
struct Rope {
  std::uint32_t head_dim = 0;    // features of a head; 0: as layout heads has them
  std::uint32_t rotary_dim = 0;  // the first features of a head, those that are rotated; even; 0: all of them
  std::uint32_t theta = 10000;   // 2 or more
  bool interleaved = false;      // pairs are (2 i, 2 i + 1), otherwise (i, i + rotary_dim / 2)

  friend bool operator==(const Rope&, const Rope&) = default;
};

// Whether the rotation of keys is undone before tokens are compared (layouts tokens and heads).
enum class RopeChoice : std::uint8_t {
  kTry = 0,    // layout heads: common rotations are tried, and one is taken where it saves much
  kNone = 1,   // never
  kGiven = 2,  // that of EncodeOptions::rope, for tensors whose features its heads divide
};

// Equal options and input give equal bytes, whatever the machine and the number of threads.
struct EncodeOptions {
  static constexpr int kMinLevel = 1;
  static constexpr int kMaxLevel = 9;
  static constexpr int kDefaultLevel = 5;
  static constexpr std::uint64_t kDefaultSegmentBytes = 2u << 20;
  static constexpr std::uint64_t kDefaultTokenSegmentBytes = 4u << 20;  // of layouts tokens and heads, in its place
  static constexpr std::uint64_t kMinSegmentBytes = 4096;
  static constexpr std::uint64_t kMaxSegmentBytes = 16u << 20;

  // 1 (fastest) .. 9 (smallest).  1 and 2: planes by themselves, from the rows above.  3: up to 4 reference planes
  // (none of binary32).  4: both neighbours of every other column, too.  5: up to 9 references (13 of wide samples, 4
  // of binary32), weights of a plane's own.  6 and 7: up to 16, and a closer search.  8: the left neighbour of every
  // sample, up to 12 references.  9: up to 16 references and their neighbours.  Tokens (layouts tokens and heads) are
  // coded alike at all levels.
  int level = kDefaultLevel;
  Mode mode = Mode::kLs;

  // Raw bytes of a segment that the encoder aims at, kMinSegmentBytes .. kMaxSegmentBytes.  The default stands for
  // kDefaultTokenSegmentBytes in layouts tokens and heads.
  std::uint64_t segment_bytes = kDefaultSegmentBytes;

  // Mode kLs: most reference planes of a plane, 0 .. 16; nothing: as the level says.
  std::optional<int> max_references;

  // Earlier planes that are searched: 0 = as many as the level does, up to all of the segment (kLs), or 8 (kDcac).
  int window = 0;

  Similarity similarity = Similarity::kBits;  // mode kDcac only

  // Whether the coding of a batch item may refer to earlier items.
  bool previous_item = true;

  RopeChoice rope_choice = RopeChoice::kTry;
  Rope rope;
};

// What a decoder may allocate on the word of a header.
struct DecodeLimits {
  std::uint64_t max_tensor_bytes = std::uint64_t{1} << 40;     // declared size of the whole tensor
  std::uint64_t max_slab_bytes = std::uint64_t{256} << 20;     // what a streaming decoder buffers: see FrameDecoder
  std::uint64_t max_listed_segments = std::uint64_t{1} << 20;  // of a frame whose segments are listed: see Inspect
};

}  // namespace dcac

#endif  // DCAC_OPTIONS_H_
