// How many raw bits follow each token of a plane set, and where (docs/format.md, "Tokens").
#ifndef DCAC_CORE_CODEC_TOKEN_BITS_H_
#define DCAC_CORE_CODEC_TOKEN_BITS_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "core/codec/sample_map.h"
#include "core/codec/set_model.h"
#include "core/codec/tokens.h"

namespace dcac {

// By the number of the token.
struct TokenBits {
  std::vector<uint8_t> state;   // raw bits in the state of the entropy coder
  std::vector<uint8_t> stream;  // raw bits in the stream of raw bits

  // Errors: DataLoss, for tokens that no encoder would use.
  static absl::StatusOr<TokenBits> Create(SampleKind kind, const SetModel& model, const SpecialTokens& specials) {
    TokenBits table;
    for (int token = 0; token < model.num_tokens; ++token) {
      int bits = 0;
      if (token >= specials.count) {
        if (!IsValidToken(token - specials.count, model.shift)) {
          return absl::DataLossError(absl::StrCat("token ", token, " is beyond the largest residual"));
        }
        bits = model.shift + ClassRawBits((token - specials.count) / 2);
      } else if (token == specials.escape) {
        bits = SampleBits(kind);
      }
      if (IsNarrow(kind) && bits > 15 - model.table_bits) {
        return absl::DataLossError(absl::StrCat("token ", token, " has ", bits, " raw bits"));
      }
      table.state.push_back(static_cast<uint8_t>(IsNarrow(kind) ? bits : 0));
      table.stream.push_back(static_cast<uint8_t>(IsNarrow(kind) ? 0 : bits));
    }
    return table;
  }
};

}  // namespace dcac

#endif  // DCAC_CORE_CODEC_TOKEN_BITS_H_
