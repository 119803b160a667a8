// What the index of a local store keeps of a block.
#ifndef DCAC_SERVER_STORE_RECORD_H_
#define DCAC_SERVER_STORE_RECORD_H_

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "core/base/bytes.h"
#include "server/store/block_store.h"

namespace dcac::store {

struct Record {
  BlockInfo info;        // its version is the id of the payload
  Time accessed{};       // about when the block was used last
  bool inlined = false;  // the payload is in the index, not in a file
  bool damaged = false;  // in quarantine
};

std::string SerializeRecord(const Record& record);

// Errors: DataLoss (no record, or not that of `key`).
absl::StatusOr<Record> ParseRecord(std::string_view key, std::string_view bytes);

// Bytes as text and back, as RocksDB has them.
std::string_view AsText(ByteSpan bytes);
ByteSpan AsBytes(std::string_view text);

// 128 random bits in hex: hard to guess, and never the same twice.
std::string RandomId();
inline constexpr std::size_t kIdCharacters = 32;
bool IsId(std::string_view text);

// So that two blocks never have the same checksums by being swapped.
std::uint64_t SeedOf(std::string_view id);

}  // namespace dcac::store

#endif  // DCAC_SERVER_STORE_RECORD_H_
