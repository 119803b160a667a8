// XXH3, chosen at run time with the widest vectors of the machine where the library can.
#ifndef DCAC_CORE_BASE_HASH_H_
#define DCAC_CORE_BASE_HASH_H_

#include <cstdint>
#include <memory>

#include "core/base/bytes.h"
#include "dcac/frame_info.h"

struct XXH3_state_s;

namespace dcac {

// XXH3-64.
uint64_t HashOf(ByteSpan data, uint64_t seed = 0);

// The digest of a tensor or a file, computed as its bytes pass by: XXH3-128.
class DigestStream {
 public:
  DigestStream();

  void Update(ByteSpan data);
  Digest Get() const;

 private:
  struct Free {
    void operator()(XXH3_state_s* state) const;
  };
  std::unique_ptr<XXH3_state_s, Free> state_;
};

}  // namespace dcac

#endif  // DCAC_CORE_BASE_HASH_H_
