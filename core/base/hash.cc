#include "core/base/hash.h"

#include <xxhash.h>
#ifdef DCAC_HAS_XXHASH_DISPATCH
#include <immintrin.h>
#include <xxh_x86dispatch.h>  // replaces the functions that read the data
#endif

#include <new>

namespace dcac {
namespace {

// To be called after functions of libxxhash that read data: they leave the upper parts of vector registers in use, and
// with that SSE code takes up to three times as long.
#ifdef DCAC_HAS_XXHASH_DISPATCH
__attribute__((target("avx"))) void ZeroUpperParts() {
  _mm256_zeroupper();
}
void ReleaseVectors() {
  static const bool has_them = __builtin_cpu_supports("avx");
  if (has_them) ZeroUpperParts();
}
#else
void ReleaseVectors() {}
#endif

HashState NewState() {
  HashState state(XXH3_createState());
  if (!state) throw std::bad_alloc();
  return state;
}

}  // namespace

uint64_t HashOf(ByteSpan data, uint64_t seed) {
  const uint64_t hash = XXH3_64bits_withSeed(data.data(), data.size(), seed);
  ReleaseVectors();
  return hash;
}

void FreeHashState::operator()(XXH3_state_s* state) const {
  XXH3_freeState(state);
}

DigestStream::DigestStream() : state_(NewState()) {
  XXH3_128bits_reset(state_.get());
}

void DigestStream::Update(ByteSpan data) {
  XXH3_128bits_update(state_.get(), data.data(), data.size());
  ReleaseVectors();
}

Digest DigestStream::Get() const {
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(state_.get()));
  ReleaseVectors();
  Digest digest;
  for (size_t i = 0; i < digest.size(); ++i) digest[i] = std::byte{canonical.digest[i]};
  return digest;
}

HashStream::HashStream(uint64_t seed) : state_(NewState()) {
  Reset(seed);
}

void HashStream::Reset(uint64_t seed) {
  XXH3_64bits_reset_withSeed(state_.get(), seed);
}

void HashStream::Update(ByteSpan data) {
  XXH3_64bits_update(state_.get(), data.data(), data.size());
  ReleaseVectors();
}

uint64_t HashStream::Get() const {
  const uint64_t hash = XXH3_64bits_digest(state_.get());
  ReleaseVectors();
  return hash;
}

}  // namespace dcac
