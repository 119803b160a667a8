#include "core/base/hash.h"

#include <xxhash.h>
#ifdef DCAC_HAS_XXHASH_DISPATCH
#include <xxh_x86dispatch.h>  // replaces the functions that read the data
#endif

#include <new>

namespace dcac {

uint64_t HashOf(ByteSpan data, uint64_t seed) {
  return XXH3_64bits_withSeed(data.data(), data.size(), seed);
}

DigestStream::DigestStream() : state_(XXH3_createState()) {
  if (!state_) throw std::bad_alloc();
  XXH3_128bits_reset(state_.get());
}

void DigestStream::Update(ByteSpan data) {
  XXH3_128bits_update(state_.get(), data.data(), data.size());
}

Digest DigestStream::Get() const {
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(state_.get()));
  Digest digest;
  for (size_t i = 0; i < digest.size(); ++i) digest[i] = std::byte{canonical.digest[i]};
  return digest;
}

void DigestStream::Free::operator()(XXH3_state_s* state) const {
  XXH3_freeState(state);
}

}  // namespace dcac
