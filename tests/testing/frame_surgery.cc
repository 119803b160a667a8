#include "tests/testing/frame_surgery.h"

#include <xxhash.h>

#include <algorithm>

#include "core/base/bytes.h"
#include "core/format/frame.h"

namespace dcac::testing {
namespace {

void StoreLittleEndian(std::uint64_t value, std::byte* at, std::size_t bytes) {
  for (std::size_t i = 0; i < bytes; ++i) at[i] = static_cast<std::byte>(value >> (8 * i));
}

}  // namespace

FrameParts::FrameParts(std::span<const std::byte> frame) {
  std::size_t header_bytes = 0;
  bool incomplete = false;
  const FrameHeader header = *ParseHeader(frame, header_bytes, incomplete);
  header_bytes_ = header_bytes;
  index_begin_ = frame.size() - *IndexAndTrailerBytes(frame);
  const FrameTrailer trailer = *ParseIndexAndTrailer(frame.subspan(index_begin_), header.geometry.num_segments());
  std::size_t at = header_bytes_;
  for (std::uint64_t bytes : trailer.stored_bytes) {
    std::size_t body = at;
    while (std::to_integer<int>(frame[body]) >= 0x80) ++body;
    segments_.push_back({at, body + 1, at + static_cast<std::size_t>(bytes)});
    at = segments_.back().end;
  }
}

void FrameParts::RepairChecksums(std::vector<std::byte>& frame) const {
  StoreLittleEndian(XXH3_64bits(frame.data(), header_bytes_ - 4), frame.data() + header_bytes_ - 4, 4);
  for (std::size_t i = 0; i < segments_.size(); ++i) {
    const std::size_t checksum = segments_[i].end - kSegmentChecksumBytes;
    const ByteSpan body = ByteSpan(frame).subspan(segments_[i].body, checksum - segments_[i].body);
    StoreLittleEndian(SegmentChecksum(i, body), frame.data() + checksum, kSegmentChecksumBytes);
  }
  const std::size_t checksum = frame.size() - 4;
  StoreLittleEndian(XXH3_64bits(frame.data() + index_begin_, checksum - index_begin_), frame.data() + checksum, 4);
}

std::optional<LooseFrame> TakeApart(std::span<const std::byte> frame) {
  constexpr std::size_t kFixedBytes = 8, kChecksumBytes = 4;
  if (frame.size() < kFixedBytes + kChecksumBytes + kTrailerBytes) return std::nullopt;
  ByteReader reader(frame.subspan(kFixedBytes));
  std::uint64_t number = 0;
  bool empty = false;
  for (int rank = std::to_integer<int>(frame[kFixedBytes - 1]); rank > 0; --rank) {
    if (!reader.ReadVarint("extent", number).ok()) return std::nullopt;
    empty |= number == 0;
  }
  for (int steps = empty ? 0 : 3; steps > 0; --steps) {
    if (!reader.ReadVarint("step", number).ok()) return std::nullopt;
  }
  const std::size_t header_bytes = kFixedBytes + reader.position(),
                    tail_bytes = IndexAndTrailerBytes(frame).value_or(0);
  if (header_bytes + kChecksumBytes + kTrailerBytes > frame.size()) return std::nullopt;

  LooseFrame loose;
  loose.header.assign(frame.begin(), frame.begin() + static_cast<std::ptrdiff_t>(header_bytes));
  std::copy_n(frame.end() - kTrailerBytes, loose.digest.size(), loose.digest.begin());
  ByteSpan rest = frame.subspan(header_bytes + kChecksumBytes);
  rest = rest.first(rest.size() - std::clamp(tail_bytes, kTrailerBytes, rest.size()));
  while (!rest.empty()) {
    ByteReader size_reader(rest);
    if (!size_reader.ReadVarint("size", number).ok()) break;
    rest = rest.subspan(size_reader.position());
    const ByteSpan body = rest.first(static_cast<std::size_t>(std::min<std::uint64_t>(number, rest.size())));
    loose.bodies.emplace_back(body.begin(), body.end());
    rest = rest.subspan(std::min(body.size() + kSegmentChecksumBytes, rest.size()));
  }
  return loose;
}

std::vector<std::byte> AssembleFrame(std::vector<std::byte> header, const std::vector<std::vector<std::byte>>& bodies,
                                     const Digest& digest) {
  std::vector<std::byte> frame = std::move(header);
  AppendLittleEndian(static_cast<std::uint32_t>(XXH3_64bits(frame.data(), frame.size())), 4, frame);
  std::vector<std::uint64_t> stored_bytes;
  for (std::size_t i = 0; i < bodies.size(); ++i) {
    const std::size_t before = frame.size();
    AppendSegment(bodies[i], SegmentChecksum(i, bodies[i]), frame);
    stored_bytes.push_back(frame.size() - before);
  }
  AppendBytes(SerializeIndexAndTrailer(stored_bytes, digest), frame);
  return frame;
}

void RepairTrailerChecksum(std::vector<std::byte>& frame) {
  const auto tail = IndexAndTrailerBytes(frame);
  if (!tail.ok()) return;
  std::byte* checksum = frame.data() + frame.size() - 4;
  StoreLittleEndian(XXH3_64bits(frame.data() + frame.size() - *tail, *tail - 4), checksum, 4);
}

void ReplaceDigest(std::vector<std::byte>& frame, const Digest& digest) {
  std::copy(digest.begin(), digest.end(), frame.end() - kTrailerBytes);
  RepairTrailerChecksum(frame);
}

std::vector<std::byte> HeaderOf(int dtype, const std::vector<std::uint64_t>& shape,
                                const std::vector<std::uint64_t>& steps) {
  std::vector<std::byte> header;
  for (int value : {0xdc, 0xac, 0x46, 1, dtype, 1, 0, static_cast<int>(shape.size())})
    AppendByte(static_cast<std::uint8_t>(value), header);
  for (std::uint64_t extent : shape) AppendVarint(extent, header);
  for (std::uint64_t step : steps) AppendVarint(step, header);
  return header;
}

}  // namespace dcac::testing
