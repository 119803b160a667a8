#include "dcac/frame_checker.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/bytes.h"
#include "core/base/hash.h"
#include "core/base/status_macros.h"
#include "core/codec/frame_walk.h"
#include "core/codec/segment_reader.h"
#include "core/format/frame.h"

namespace dcac {
namespace {

// The last bytes of a part that arrives in pieces.
template <size_t kBytes>
class PartEnd {
 public:
  void Append(ByteSpan piece) {
    std::ranges::copy(piece, bytes_.begin() + static_cast<std::ptrdiff_t>(size_));
    size_ += piece.size();
  }
  void Clear() { size_ = 0; }
  bool full() const { return size_ == kBytes; }
  const std::byte* data() const { return bytes_.data(); }

 private:
  std::array<std::byte, kBytes> bytes_{};
  size_t size_ = 0;
};

// Cuts a piece where a part of `left` bytes ends, which becomes shorter by what of the piece belongs to it.
std::pair<ByteSpan, ByteSpan> CutAt(uint64_t& left, ByteSpan piece) {
  const auto n = static_cast<size_t>(std::min<uint64_t>(left, piece.size()));
  left -= n;
  return {piece.first(n), piece.subspan(n)};
}

}  // namespace

struct FrameChecker::Impl final : FrameVisitor {
  explicit Impl(const DecodeLimits& limits) : walk(limits) {}

  absl::Status OnHeader(const FrameHeader& header) override {
    spec = header.spec;
    return absl::OkStatus();
  }

  void OnSegment(uint64_t segment_index, uint64_t body_bytes, uint64_t stored_bytes) override {
    segment = segment_index;
    body_left = body_bytes;
    body_hash.Reset(segment_index);
    checksum.Clear();
    Bytes entry;
    AppendVarint(stored_bytes, entry);
    expected_index.Update(entry);
    index_left += entry.size();
  }

  absl::Status OnSegmentBytes(ByteSpan piece) override {
    const auto [body, rest] = CutAt(body_left, piece);
    body_hash.Update(body);
    checksum.Append(rest);
    if (!checksum.full()) return absl::OkStatus();
    if (LoadLittleEndian(checksum.data(), kSegmentChecksumBytes) != body_hash.Get()) {
      return InSegment(segment, absl::DataLossError("checksum does not match"));
    }
    return absl::OkStatus();
  }

  absl::Status OnTailBytes(ByteSpan piece) override {
    const auto [entries, rest] = CutAt(index_left, piece);
    index.Update(entries);
    tail_hash.Update(entries);
    trailer.Append(rest);
    return trailer.full() ? CheckTail() : absl::OkStatus();
  }

  absl::Status CheckTail() {
    constexpr size_t kHashedTrailerBytes = kTrailerBytes - 4;
    const std::byte* bytes = trailer.data();
    tail_hash.Update(ByteSpan(bytes, kHashedTrailerBytes));
    if (LoadLittleEndian(bytes + kHashedTrailerBytes, 4) != (tail_hash.Get() & 0xFFFFFFFFu)) {
      return absl::DataLossError("checksum of index and trailer does not match");
    }
    const uint64_t size = LoadLittleEndian(bytes + 16, 4);
    if (size != walk.index_bytes()) {
      return absl::DataLossError(absl::StrCat("index is ", walk.index_bytes(), " bytes, the trailer says ", size));
    }
    if (index.Get() != expected_index.Get()) return absl::DataLossError("index differs from the sizes of the segments");
    std::copy_n(bytes, digest.size(), digest.begin());
    return absl::OkStatus();
  }

  FrameWalk walk;
  std::optional<TensorSpec> spec;
  uint64_t segment = 0;
  uint64_t body_left = 0;
  HashStream body_hash;
  PartEnd<kSegmentChecksumBytes> checksum;
  DigestStream expected_index;  // of the index that fits the segments, and of that which is there
  DigestStream index;
  uint64_t index_left = 0;
  HashStream tail_hash;
  PartEnd<kTrailerBytes> trailer;
  Digest digest{};
};

FrameChecker::FrameChecker(const DecodeLimits& limits) : impl_(std::make_unique<Impl>(limits)) {}
FrameChecker::FrameChecker(FrameChecker&&) noexcept = default;
FrameChecker& FrameChecker::operator=(FrameChecker&&) noexcept = default;
FrameChecker::~FrameChecker() = default;

absl::StatusOr<std::size_t> FrameChecker::Push(std::span<const std::byte> data) {
  return impl_->walk.Push(data, *impl_);
}

bool FrameChecker::done() const {
  return impl_->walk.done();
}
std::uint64_t FrameChecker::frame_bytes() const {
  return impl_->walk.frame_bytes();
}
bool FrameChecker::has_spec() const {
  return impl_->spec.has_value();
}
const TensorSpec& FrameChecker::spec() const {
  return *impl_->spec;
}
const Digest& FrameChecker::digest() const {
  return impl_->digest;
}

}  // namespace dcac
