// Limits of token tables and their frequencies, which all models share (docs/format.md, "Token tables").
#ifndef DCAC_CORE_CODEC_TOKEN_TABLES_H_
#define DCAC_CORE_CODEC_TOKEN_TABLES_H_

#include <cstdint>
#include <vector>

namespace dcac {

inline constexpr int kMaxClusters = 64;
inline constexpr int kMaxTokens = 256;
inline constexpr int kMaxLanesLog2 = 6;

// Frequencies of sum 2^table_bits from the weights of a table; at least 1 where the weight is not 0.
// `weights` has at least one that is not 0, and no more than 2^table_bits.
std::vector<uint32_t> NormalizeTable(const std::vector<uint32_t>& weights, int table_bits);

// How many lanes (as a logarithm) entropy-coded data of about `bytes` is worth: a lane costs two to three bytes of
// start state that carry nothing.
int ChooseLanesLog2(double bytes);

}  // namespace dcac

#endif  // DCAC_CORE_CODEC_TOKEN_TABLES_H_
