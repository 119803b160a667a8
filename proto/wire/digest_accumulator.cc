#include "proto/wire/digest_accumulator.h"

#include <xxhash.h>

#include <cstring>
#include <new>

namespace dcac::wire {

void DigestAccumulator::Free::operator()(XXH3_state_s* state) const {
  XXH3_freeState(state);
}

DigestAccumulator::DigestAccumulator() : state_(XXH3_createState()) {
  if (state_ == nullptr) throw std::bad_alloc();
  XXH3_128bits_reset(state_.get());
}

void DigestAccumulator::Update(std::span<const std::byte> bytes) {
  if (!bytes.empty()) XXH3_128bits_update(state_.get(), bytes.data(), bytes.size());
}

Digest DigestAccumulator::Get() const {
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(state_.get()));
  Digest digest;
  static_assert(sizeof(canonical.digest) == sizeof(digest));
  std::memcpy(digest.data(), canonical.digest, sizeof(digest));
  return digest;
}

}  // namespace dcac::wire
