// XXH3, chosen at run time with the widest vectors of the machine where the library can.
#ifndef DCAC_CORE_BASE_HASH_H_
#define DCAC_CORE_BASE_HASH_H_

#include <cstdint>
#include <memory>

#include "core/base/bytes.h"
#include "dcac/frame_info.h"

struct XXH3_state_s;

namespace dcac {

inline constexpr int kHashBytes = 8;

// XXH3-64.
uint64_t HashOf(ByteSpan data, uint64_t seed = 0);

struct FreeHashState {
  void operator()(XXH3_state_s* state) const;
};
using HashState = std::unique_ptr<XXH3_state_s, FreeHashState>;

// The digest of a tensor or a file, computed as its bytes pass by: XXH3-128.
class DigestStream {
 public:
  DigestStream();

  void Update(ByteSpan data);
  Digest Get() const;

 private:
  HashState state_;
};

// HashOf of bytes that pass by.
class HashStream {
 public:
  explicit HashStream(uint64_t seed = 0);

  void Reset(uint64_t seed);
  void Update(ByteSpan data);
  uint64_t Get() const;

 private:
  HashState state_;
};

}  // namespace dcac

#endif  // DCAC_CORE_BASE_HASH_H_
