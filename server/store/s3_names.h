// What objects of an S3 store are called.
//
// Keys are encoded so that the order of names is the order of keys, that "a" and "a/b" are siblings, and that only
// letters, digits and "!-.=_~" occur.  Below the prefix of the store:
//   k/KEY             the block under a key
//   n/KEY/VERSION     the block that followed that version once it had expired, put by who asked for if_absent
//   t/KEY/VERSION     changes of that version's time to live, pin and health
//   x/KEY             a note that the block has expired and is about to be removed
//   d/ID/PART         bytes of a large block or of an upload
//   u/ID              an upload that may be resumed
#ifndef DCAC_SERVER_STORE_S3_NAMES_H_
#define DCAC_SERVER_STORE_S3_NAMES_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "server/store/block_store.h"

namespace dcac::store {

// Of a key, in pieces of at most 201 bytes with '/' between them.  Where it would be longer than kMaxEncodedBytes it is
// cut there and ends in a hash; such names come after all others with the same beginning, but in no order.
inline constexpr std::size_t kMaxEncodedBytes = 560;
std::string EncodeKey(std::string_view key);

// With which the encoded keys begin that have this prefix; longer ones are cut to kMaxEncodedBytes, so that others may
// begin with it too.
std::string EncodePrefix(std::string_view prefix);

// With which the names of all cut keys begin that begin as `key` does; nothing: it is not cut.
std::optional<std::string> CutGroup(std::string_view encoded);

// The key of a name that EncodeKey made; nothing: it is none, or was cut.
std::optional<std::string> DecodeKey(std::string_view encoded);

// Hard to guess, no two are equal, and they tell when they were made.
std::string NewId(Time now);
// Nothing: that is none.
std::optional<Time> TimeOfId(std::string_view id);

}  // namespace dcac::store

#endif  // DCAC_SERVER_STORE_S3_NAMES_H_
