// The digest of a tensor or a file, computed as its bytes pass by.
#ifndef DCAC_CORE_BASE_DIGEST_H_
#define DCAC_CORE_BASE_DIGEST_H_

#include <xxhash.h>

#include <memory>

#include "core/base/bytes.h"
#include "dcac/frame_info.h"

namespace dcac {

class DigestStream {
 public:
  DigestStream() : state_(XXH3_createState(), XXH3_freeState) { XXH3_128bits_reset(state_.get()); }

  void Update(ByteSpan data) { XXH3_128bits_update(state_.get(), data.data(), data.size()); }

  Digest Get() const {
    XXH128_canonical_t canonical;
    XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(state_.get()));
    Digest digest;
    for (size_t i = 0; i < digest.size(); ++i) digest[i] = std::byte{canonical.digest[i]};
    return digest;
  }

 private:
  std::unique_ptr<XXH3_state_t, XXH_errorcode (*)(XXH3_state_t*)> state_;
};

}  // namespace dcac

#endif  // DCAC_CORE_BASE_DIGEST_H_
