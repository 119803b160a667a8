#include "tests/testing/frame_surgery.h"

#include <xxhash.h>

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

std::vector<std::byte> AssembleFrame(std::vector<std::byte> header, const std::vector<std::vector<std::byte>>& bodies,
                                     const Digest& digest) {
  std::vector<std::byte> frame = std::move(header);
  AppendLittleEndian(static_cast<std::uint32_t>(XXH3_64bits(frame.data(), frame.size())), 4, frame);
  std::vector<std::uint64_t> stored_bytes;
  for (std::size_t i = 0; i < bodies.size(); ++i) {
    const std::size_t before = frame.size();
    AppendSegment(i, bodies[i], frame);
    stored_bytes.push_back(frame.size() - before);
  }
  AppendBytes(SerializeIndexAndTrailer(stored_bytes, digest), frame);
  return frame;
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
