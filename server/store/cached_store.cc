#include "server/store/cached_store.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "core/base/status_macros.h"
#include "server/store/checks.h"
#include "server/store/piece_cache.h"
#include "server/store/wrappers.h"

namespace dcac::store {
namespace {

constexpr std::uint64_t kCachePieceBytes = PieceCache::kPieceBytes;
constexpr std::uint64_t kMaxShareOfCache = 8;

class CachedReader final : public ReaderWrapper {
 public:
  CachedReader(std::shared_ptr<const BlockReader> reader, PieceCache& cache)
      : ReaderWrapper(std::move(reader)), cache_(cache) {}

  absl::Status Read(std::uint64_t offset, std::span<std::byte> out, const CallControl& control) const override {
    DCAC_RETURN_IF_ERROR(CheckControl(control));
    DCAC_RETURN_IF_ERROR(CheckRange(info(), offset, out.size()));
    const std::uint64_t end = offset + out.size();
    std::uint64_t missing = offset;  // what lies between it and the piece in hand is not in the cache
    for (std::uint64_t at = offset; at < end; at = NextPiece(at)) {
      const std::shared_ptr<const Bytes> piece = cache_.Find(info().version, at / kCachePieceBytes);
      if (piece == nullptr) continue;
      DCAC_RETURN_IF_ERROR(ReadMissing(missing, at, out.subspan(missing - offset, at - missing), control));
      missing = std::min(end, NextPiece(at));
      std::copy_n(piece->begin() + static_cast<std::ptrdiff_t>(at % kCachePieceBytes), missing - at,
                  out.begin() + static_cast<std::ptrdiff_t>(at - offset));
    }
    return ReadMissing(missing, end, out.subspan(missing - offset), control);
  }

 private:
  static std::uint64_t NextPiece(std::uint64_t at) { return (at / kCachePieceBytes + 1) * kCachePieceBytes; }

  // Reads the pieces that have the bytes from `begin` to `end` in one go, and keeps them.
  absl::Status ReadMissing(std::uint64_t begin, std::uint64_t end, std::span<std::byte> out,
                           const CallControl& control) const {
    if (begin == end) return absl::OkStatus();
    const std::uint64_t first = begin / kCachePieceBytes * kCachePieceBytes;
    Bytes pieces(std::min(info().size_bytes, NextPiece(end - 1)) - first);
    DCAC_RETURN_IF_ERROR(reader_->Read(first, pieces, control));
    std::copy_n(pieces.begin() + static_cast<std::ptrdiff_t>(begin - first), out.size(), out.begin());
    for (std::size_t at = 0; at < pieces.size(); at += kCachePieceBytes) {
      const ByteSpan piece = ByteSpan(pieces).subspan(at, std::min<std::size_t>(kCachePieceBytes, pieces.size() - at));
      cache_.Insert(info().version, (first + at) / kCachePieceBytes,
                    std::make_shared<Bytes>(piece.begin(), piece.end()));
    }
    return absl::OkStatus();
  }

  PieceCache& cache_;
};

class CachedStore final : public BlockStore {
 public:
  CachedStore(std::unique_ptr<BlockStore> store, std::uint64_t cache_bytes)
      : store_(std::move(store)), cache_(cache_bytes) {}

  absl::StatusOr<std::unique_ptr<Upload>> Begin(const UploadStart& start, const CallControl& control) override {
    return store_->Begin(start, control);
  }
  absl::StatusOr<std::unique_ptr<Upload>> Resume(const std::string& upload_id, const std::string& owner,
                                                 const CallControl& control) override {
    return store_->Resume(upload_id, owner, control);
  }
  std::vector<absl::StatusOr<BlockInfo>> PutMany(std::span<const SmallBlock> blocks,
                                                 const CallControl& control) override {
    return store_->PutMany(blocks, control);
  }

  absl::StatusOr<std::shared_ptr<const BlockReader>> Open(const std::string& key, const CallControl& control) override {
    DCAC_ASSIGN_OR_RETURN(std::shared_ptr<const BlockReader> reader, store_->Open(key, control));
    if (reader->info().size_bytes > cache_.capacity_bytes() / kMaxShareOfCache) return reader;
    return std::make_shared<CachedReader>(std::move(reader), cache_);
  }

  std::vector<absl::StatusOr<BlockInfo>> Stat(std::span<const std::string> keys, const CallControl& control) override {
    return store_->Stat(keys, control);
  }
  absl::StatusOr<ListPage> List(const ListRequest& request, const CallControl& control) override {
    return store_->List(request, control);
  }
  std::vector<absl::Status> Delete(std::span<const std::string> keys, const CallControl& control) override {
    return store_->Delete(keys, control);
  }
  absl::StatusOr<BlockInfo> Update(const std::string& key, const BlockUpdate& update,
                                   const CallControl& control) override {
    return store_->Update(key, update, control);
  }
  absl::StatusOr<Usage> ReadUsage(const std::string& prefix, const CallControl& control) override {
    return store_->ReadUsage(prefix, control);
  }
  absl::StatusOr<ScrubPage> Scrub(const ScrubRequest& request, const CallControl& control) override {
    return store_->Scrub(request, control);
  }
  absl::Status Maintain(const CallControl& control) override { return store_->Maintain(control); }

  std::uint64_t block_memory_bytes() const override { return store_->block_memory_bytes(); }

  StoreStatus Status() const override {
    StoreStatus status = store_->Status();
    status.cache_capacity_bytes = cache_.capacity_bytes();
    status.cache_bytes = cache_.bytes();
    status.cache_hits = cache_.hits();
    status.cache_misses = cache_.misses();
    return status;
  }

 private:
  const std::unique_ptr<BlockStore> store_;
  PieceCache cache_;
};

}  // namespace

std::unique_ptr<BlockStore> MakeCachedStore(std::unique_ptr<BlockStore> store, std::uint64_t cache_bytes) {
  return std::make_unique<CachedStore>(std::move(store), cache_bytes);
}

}  // namespace dcac::store
