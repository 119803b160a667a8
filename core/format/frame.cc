#include "core/format/frame.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "core/base/hash.h"
#include "core/base/status_macros.h"

namespace dcac {
namespace {

constexpr int kHeaderChecksumBytes = 4;

// Flags announce what this version does not know: a profile id and the digests of base frames.
constexpr uint8_t kFlagProfile = 1;
constexpr uint8_t kFlagBaseFrames = 2;

uint32_t Checksum32(ByteSpan data) {
  return static_cast<uint32_t>(HashOf(data));
}

absl::Status CheckMagicAndVersion(ByteReader& reader) {
  for (uint8_t expected : kFrameMagic) {
    uint8_t byte = 0;
    DCAC_RETURN_IF_ERROR(reader.ReadByte("frame magic", byte));
    if (byte != expected) {
      return absl::DataLossError(absl::StrCat("no dcac frame: magic byte is 0x", absl::Hex(byte, absl::kZeroPad2),
                                              ", expected 0x", absl::Hex(expected, absl::kZeroPad2)));
    }
  }
  uint8_t version = 0;
  DCAC_RETURN_IF_ERROR(reader.ReadByte("frame version", version));
  if (version != kFrameVersion) {
    return absl::UnimplementedError(
        absl::StrCat("frame version is ", version, ", this build reads version ", kFrameVersion));
  }
  return absl::OkStatus();
}

absl::Status ReadSpec(ByteReader& reader, TensorSpec& spec) {
  uint8_t dtype = 0, layout = 0, flags = 0, rank = 0;
  DCAC_RETURN_IF_ERROR(reader.ReadByte("dtype", dtype));
  DCAC_RETURN_IF_ERROR(reader.ReadByte("layout", layout));
  DCAC_RETURN_IF_ERROR(reader.ReadByte("flags", flags));
  DCAC_RETURN_IF_ERROR(reader.ReadByte("rank", rank));
  if (flags & kFlagProfile) return absl::UnimplementedError("the frame needs a profile, which this build cannot use");
  if (flags & kFlagBaseFrames)
    return absl::UnimplementedError("the frame needs base frames, which this build cannot use");
  if (flags != 0) return absl::UnimplementedError(absl::StrCat("header flags are ", flags, ", this build knows none"));
  spec.dtype = static_cast<DType>(dtype);
  spec.layout = static_cast<Layout>(layout);
  if (SampleBytes(spec.dtype) == 0) return absl::UnimplementedError(absl::StrCat("dtype ", dtype, " is unknown"));
  if (LayoutName(spec.layout) == "unknown")
    return absl::UnimplementedError(absl::StrCat("layout ", layout, " is unknown"));
  if (rank > TensorSpec::kMaxRank) {
    return absl::DataLossError(absl::StrCat("rank is ", rank, ", at most ", TensorSpec::kMaxRank, " is allowed"));
  }
  spec.shape.resize(rank);
  for (uint64_t& extent : spec.shape) DCAC_RETURN_IF_ERROR(reader.ReadVarint("extent", extent));
  if (auto bytes = TensorBytes(spec); !bytes.ok()) return absl::DataLossError(bytes.status().message());
  return absl::OkStatus();
}

}  // namespace

Bytes SerializeHeader(const FrameHeader& header) {
  Bytes out;
  for (uint8_t byte : kFrameMagic) AppendByte(byte, out);
  AppendByte(kFrameVersion, out);
  AppendByte(static_cast<uint8_t>(header.spec.dtype), out);
  AppendByte(static_cast<uint8_t>(header.spec.layout), out);
  AppendByte(0, out);  // flags
  AppendByte(static_cast<uint8_t>(header.spec.shape.size()), out);
  for (uint64_t extent : header.spec.shape) AppendVarint(extent, out);
  if (!header.geometry.extents().empty()) {
    AppendVarint(header.geometry.item_step(), out);
    AppendVarint(header.geometry.plane_step(), out);
    AppendVarint(header.geometry.row_step(), out);
  }
  AppendLittleEndian(Checksum32(out), kHeaderChecksumBytes, out);
  return out;
}

absl::StatusOr<FrameHeader> ParseHeader(ByteSpan data, size_t& header_bytes, bool& incomplete) {
  ByteReader reader(data.first(std::min(data.size(), kMaxHeaderBytes)));
  FrameHeader header;
  const auto parse = [&]() -> absl::Status {
    DCAC_RETURN_IF_ERROR(CheckMagicAndVersion(reader));
    DCAC_RETURN_IF_ERROR(ReadSpec(reader, header.spec));
    const Extents extents = ExtentsOf(header.spec);
    uint64_t item_step = 1, plane_step = 1, row_step = 1;
    if (!extents.empty()) {
      DCAC_RETURN_IF_ERROR(reader.ReadVarint("item step", item_step));
      DCAC_RETURN_IF_ERROR(reader.ReadVarint("plane step", plane_step));
      DCAC_RETURN_IF_ERROR(reader.ReadVarint("row step", row_step));
    }
    const uint32_t expected = Checksum32(data.first(reader.position()));
    uint64_t checksum = 0;
    DCAC_RETURN_IF_ERROR(reader.ReadLittleEndian("header checksum", kHeaderChecksumBytes, checksum));
    if (checksum != expected) return absl::DataLossError("header checksum does not match");
    auto geometry = Geometry::Create(extents, item_step, plane_step, row_step);
    if (!geometry.ok()) return absl::DataLossError(geometry.status().message());
    header.geometry = *geometry;
    return absl::OkStatus();
  };
  const absl::Status status = parse();
  incomplete = !status.ok() && reader.short_input();
  if (!status.ok()) return status;
  header_bytes = reader.position();
  return header;
}

uint64_t SegmentChecksum(uint64_t segment_index, ByteSpan body) {
  return HashOf(body, segment_index);
}

void AppendSegment(uint64_t segment_index, ByteSpan body, Bytes& out) {
  AppendVarint(body.size(), out);
  AppendBytes(body, out);
  AppendLittleEndian(SegmentChecksum(segment_index, body), kSegmentChecksumBytes, out);
}

Bytes SerializeIndexAndTrailer(const std::vector<uint64_t>& stored_bytes, const Digest& digest) {
  Bytes out;
  for (uint64_t bytes : stored_bytes) AppendVarint(bytes, out);
  const uint64_t index_bytes = out.size();
  AppendBytes(digest, out);
  AppendLittleEndian(index_bytes, 4, out);
  AppendLittleEndian(Checksum32(out), 4, out);
  return out;
}

absl::StatusOr<FrameTrailer> ParseIndexAndTrailer(ByteSpan tail, uint64_t num_segments) {
  if (tail.size() < kTrailerBytes) {
    return absl::DataLossError(
        absl::StrCat("index and trailer are ", tail.size(), " bytes, expected at least ", kTrailerBytes));
  }
  const size_t index_bytes = tail.size() - kTrailerBytes;
  const std::byte* trailer = tail.data() + index_bytes;
  if (LoadLittleEndian(trailer + 20, 4) != Checksum32(tail.first(tail.size() - 4))) {
    return absl::DataLossError("checksum of index and trailer does not match");
  }
  if (LoadLittleEndian(trailer + 16, 4) != index_bytes) {
    return absl::DataLossError(
        absl::StrCat("index is ", index_bytes, " bytes, the trailer says ", LoadLittleEndian(trailer + 16, 4)));
  }
  if (num_segments > index_bytes) {  // every entry takes a byte or more; checked before anything is allocated
    return absl::DataLossError(absl::StrCat("index of ", index_bytes, " bytes for ", num_segments, " segments"));
  }
  FrameTrailer result;
  std::copy_n(trailer, result.digest.size(), result.digest.begin());
  ByteReader reader(tail.first(index_bytes));
  result.stored_bytes.resize(static_cast<size_t>(num_segments));
  for (uint64_t& bytes : result.stored_bytes) DCAC_RETURN_IF_ERROR(reader.ReadVarint("index entry", bytes));
  if (reader.remaining() != 0) {
    return absl::DataLossError(absl::StrCat("index has ", reader.remaining(), " bytes too many"));
  }
  return result;
}

absl::StatusOr<size_t> IndexAndTrailerBytes(uint64_t frame_bytes, ByteSpan end) {
  if (end.size() < kTrailerBytes) {
    return absl::DataLossError(absl::StrCat("frame is ", frame_bytes, " bytes, shorter than a trailer"));
  }
  const uint64_t index_bytes = LoadLittleEndian(end.data() + end.size() - 8, 4);
  if (index_bytes > frame_bytes - kTrailerBytes) {
    return absl::DataLossError(absl::StrCat("index of ", index_bytes, " bytes in a frame of ", frame_bytes));
  }
  return static_cast<size_t>(index_bytes) + kTrailerBytes;
}

absl::StatusOr<size_t> IndexAndTrailerBytes(ByteSpan frame) {
  return IndexAndTrailerBytes(frame.size(), frame);
}

}  // namespace dcac
