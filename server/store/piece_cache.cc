#include "server/store/piece_cache.h"

#include <algorithm>
#include <functional>

namespace dcac::store {
namespace {

constexpr std::uint64_t kMaxShards = 16;
// A shard of fewer pieces would throw away what others have room for.
constexpr std::uint64_t kMinShardBytes = 64 * PieceCache::kPieceBytes;
// Nodes of the list and the map, two names, the owner of the bytes: about.
constexpr std::uint64_t kEntryBytes = 256;

}  // namespace

PieceCache::PieceCache(std::uint64_t capacity_bytes) : capacity_bytes_(capacity_bytes) {
  const std::uint64_t shards = std::clamp<std::uint64_t>(capacity_bytes / kMinShardBytes, 1, kMaxShards);
  for (std::uint64_t i = 0; i < shards; ++i) shards_.push_back(std::make_unique<Shard>());
}

std::size_t PieceCache::NameHash::operator()(const Name& name) const {
  constexpr std::uint64_t kOddConstant = 0x9E3779B97F4A7C15;
  const std::uint64_t mixed = (std::hash<std::string>()(name.version) + name.piece) * kOddConstant;
  return static_cast<std::size_t>(mixed ^ (mixed >> 32));
}

std::uint64_t PieceCache::CostOf(const Entry& entry) {
  return entry.bytes->size() + 2 * entry.name.version.size() + kEntryBytes;
}

std::shared_ptr<const Bytes> PieceCache::Find(const std::string& version, std::uint64_t piece) {
  const Name name{version, piece};
  Shard& shard = ShardOf(name);
  const std::lock_guard lock(shard.mutex);
  const auto place = shard.places.find(name);
  if (place == shard.places.end()) {
    ++shard.misses;
    return nullptr;
  }
  ++shard.hits;
  shard.entries.splice(shard.entries.begin(), shard.entries, place->second);
  return place->second->bytes;
}

void PieceCache::Insert(const std::string& version, std::uint64_t piece, std::shared_ptr<const Bytes> bytes) {
  Entry entry{{version, piece}, std::move(bytes)};
  const std::uint64_t cost = CostOf(entry), room = capacity_bytes_ / shards_.size();
  if (cost > room) return;
  Shard& shard = ShardOf(entry.name);
  const std::lock_guard lock(shard.mutex);
  if (shard.places.contains(entry.name)) return;  // another reader was as quick
  while (shard.bytes + cost > room) {
    shard.bytes -= CostOf(shard.entries.back());
    shard.places.erase(shard.entries.back().name);
    shard.entries.pop_back();
  }
  shard.entries.push_front(std::move(entry));
  shard.places.emplace(shard.entries.front().name, shard.entries.begin());
  shard.bytes += cost;
}

std::uint64_t PieceCache::Sum(std::uint64_t Shard::*count) const {
  std::uint64_t sum = 0;
  for (const std::unique_ptr<Shard>& shard : shards_) {
    const std::lock_guard lock(shard->mutex);
    sum += (*shard).*count;
  }
  return sum;
}

std::uint64_t PieceCache::bytes() const {
  return Sum(&Shard::bytes);
}
std::uint64_t PieceCache::hits() const {
  return Sum(&Shard::hits);
}
std::uint64_t PieceCache::misses() const {
  return Sum(&Shard::misses);
}

}  // namespace dcac::store
