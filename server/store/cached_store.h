// A store whose blocks are kept in memory after they were read.
#ifndef DCAC_SERVER_STORE_CACHED_STORE_H_
#define DCAC_SERVER_STORE_CACHED_STORE_H_

#include <cstdint>
#include <memory>

#include "server/store/block_store.h"

namespace dcac::store {

// In front of `store`, with at most `cache_bytes` of memory.  Every Open asks the store, and what is kept has the name
// of the version that it says: whoever else puts to the same store, nothing old is given out.  Only what the store gave
// is kept, and with it, what it verified.  Blocks larger than an eighth of the cache go by it: one alone would push out
// all others.
std::unique_ptr<BlockStore> MakeCachedStore(std::unique_ptr<BlockStore> store, std::uint64_t cache_bytes);

}  // namespace dcac::store

#endif  // DCAC_SERVER_STORE_CACHED_STORE_H_
