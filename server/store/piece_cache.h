// Pieces of blocks in memory, the least recently used of which make room for new ones.
#ifndef DCAC_SERVER_STORE_PIECE_CACHE_H_
#define DCAC_SERVER_STORE_PIECE_CACHE_H_

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/base/bytes.h"

namespace dcac::store {

// Thread-safe: in shards, so that readers seldom wait for each other.
class PieceCache {
 public:
  // Backends compare checksums of as much: a piece that is missing costs them no more than a part of it.
  static constexpr std::size_t kPieceBytes = std::size_t{64} << 10;

  // `capacity_bytes` counts what is kept, with what it takes to keep it.
  explicit PieceCache(std::uint64_t capacity_bytes);

  // Piece number `piece` of what has this version, counted as used; null: it is not here.
  std::shared_ptr<const Bytes> Find(const std::string& version, std::uint64_t piece);

  // At most kPieceBytes.
  void Insert(const std::string& version, std::uint64_t piece, std::shared_ptr<const Bytes> bytes);

  std::uint64_t capacity_bytes() const { return capacity_bytes_; }
  std::uint64_t bytes() const;   // that are kept
  std::uint64_t hits() const;    // pieces that Find gave
  std::uint64_t misses() const;  // and those it had not

 private:
  struct Name {
    std::string version;
    std::uint64_t piece = 0;
    bool operator==(const Name&) const = default;
  };
  struct NameHash {
    std::size_t operator()(const Name& name) const;
  };
  struct Entry {
    Name name;
    std::shared_ptr<const Bytes> bytes;
  };
  struct Shard {
    std::mutex mutex;
    std::list<Entry> entries;  // the one that was used last is the first
    std::unordered_map<Name, std::list<Entry>::iterator, NameHash> places;
    std::uint64_t bytes = 0;
    std::uint64_t hits = 0;
    std::uint64_t misses = 0;
  };

  static std::uint64_t CostOf(const Entry& entry);
  Shard& ShardOf(const Name& name) const { return *shards_[NameHash()(name) % shards_.size()]; }
  std::uint64_t Sum(std::uint64_t Shard::*count) const;

  const std::uint64_t capacity_bytes_;
  std::vector<std::unique_ptr<Shard>> shards_;
};

}  // namespace dcac::store

#endif  // DCAC_SERVER_STORE_PIECE_CACHE_H_
