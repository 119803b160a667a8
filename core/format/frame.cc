#include "core/format/frame.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/hash.h"
#include "core/base/status_macros.h"

namespace dcac {
namespace {

constexpr int kHeaderChecksumBytes = 4;
constexpr size_t kVersionAt = kFrameMagic.size();
constexpr size_t kFlagsAt = kVersionAt + 3;

// Flags announce what this version does not know: a profile id and the digests of base frames.
constexpr uint8_t kFlagProfile = 1;
constexpr uint8_t kFlagBaseFrames = 2;

uint32_t Checksum32(ByteSpan data) {
  return static_cast<uint32_t>(HashOf(data));
}

// The fields of a header, not believed yet.
struct HeaderFields {
  uint8_t version = 0, dtype = 0, layout = 0, flags = 0;
  std::vector<uint64_t> shape;
  uint64_t item_step = 1, plane_step = 1, row_step = 1;
};

absl::Status ReadMagic(ByteReader& reader) {
  for (uint8_t expected : kFrameMagic) {
    uint8_t byte = 0;
    DCAC_RETURN_IF_ERROR(reader.ReadByte("frame magic", byte));
    if (byte != expected) {
      return absl::DataLossError(absl::StrCat("no dcac frame: magic byte is 0x", absl::Hex(byte, absl::kZeroPad2),
                                              ", expected 0x", absl::Hex(expected, absl::kZeroPad2)));
    }
  }
  return absl::OkStatus();
}

absl::Status ReadFields(ByteReader& reader, HeaderFields& fields) {
  uint8_t rank = 0;
  DCAC_RETURN_IF_ERROR(reader.ReadByte("frame version", fields.version));
  DCAC_RETURN_IF_ERROR(reader.ReadByte("dtype", fields.dtype));
  DCAC_RETURN_IF_ERROR(reader.ReadByte("layout", fields.layout));
  DCAC_RETURN_IF_ERROR(reader.ReadByte("flags", fields.flags));
  DCAC_RETURN_IF_ERROR(reader.ReadByte("rank", rank));
  if (rank > TensorSpec::kMaxRank) {
    return absl::DataLossError(absl::StrCat("rank is ", rank, ", at most ", TensorSpec::kMaxRank, " is allowed"));
  }
  fields.shape.resize(rank);
  for (uint64_t& extent : fields.shape) DCAC_RETURN_IF_ERROR(reader.ReadVarint("extent", extent));
  if (std::find(fields.shape.begin(), fields.shape.end(), 0u) != fields.shape.end()) return absl::OkStatus();
  DCAC_RETURN_IF_ERROR(reader.ReadVarint("item step", fields.item_step));
  DCAC_RETURN_IF_ERROR(reader.ReadVarint("plane step", fields.plane_step));
  return reader.ReadVarint("row step", fields.row_step);
}

// Reads the checksum of `data`, which begins with the header, and compares it with what it is in this version and
// without flags.
absl::Status ReadChecksum(ByteReader& reader, ByteSpan data) {
  const ByteSpan fields = data.first(reader.position());
  uint64_t checksum = 0;
  DCAC_RETURN_IF_ERROR(reader.ReadLittleEndian("header checksum", kHeaderChecksumBytes, checksum));
  Bytes known(fields.begin(), fields.end());
  known[kVersionAt] = std::byte{kFrameVersion};
  known[kFlagsAt] = std::byte{0};
  if (checksum != Checksum32(known)) return absl::DataLossError("header checksum does not match");
  return absl::OkStatus();
}

// What of a header announces another form than this build knows.
absl::Status CheckForm(const HeaderFields& fields) {
  if (fields.version != kFrameVersion) {
    return absl::UnimplementedError(
        absl::StrCat("frame version is ", fields.version, ", this build reads version ", kFrameVersion));
  }
  if (fields.flags & kFlagProfile)
    return absl::UnimplementedError("the frame needs a profile, which this build cannot use");
  if (fields.flags & kFlagBaseFrames)
    return absl::UnimplementedError("the frame needs base frames, which this build cannot use");
  if (fields.flags != 0)
    return absl::UnimplementedError(absl::StrCat("header flags are ", fields.flags, ", this build knows none"));
  return absl::OkStatus();
}

// Of a header whose checksum matches.
absl::StatusOr<FrameHeader> TakeFields(HeaderFields fields) {
  FrameHeader header;
  header.spec = {static_cast<DType>(fields.dtype), std::move(fields.shape), static_cast<Layout>(fields.layout)};
  if (SampleBytes(header.spec.dtype) == 0)
    return absl::UnimplementedError(absl::StrCat("dtype ", fields.dtype, " is unknown"));
  if (LayoutName(header.spec.layout) == "unknown")
    return absl::UnimplementedError(absl::StrCat("layout ", fields.layout, " is unknown"));
  if (auto bytes = TensorBytes(header.spec); !bytes.ok()) return absl::DataLossError(bytes.status().message());
  auto geometry = Geometry::Create(ExtentsOf(header.spec), fields.item_step, fields.plane_step, fields.row_step);
  if (!geometry.ok()) return absl::DataLossError(geometry.status().message());
  header.geometry = *geometry;
  return header;
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
  HeaderFields fields;
  const auto read = [&]() -> absl::Status {
    DCAC_RETURN_IF_ERROR(ReadMagic(reader));
    DCAC_RETURN_IF_ERROR(ReadFields(reader, fields));
    return ReadChecksum(reader, data);
  };
  const absl::Status status = read();
  incomplete = reader.short_input();
  if (incomplete || reader.position() <= kFlagsAt) return status;
  // A header of this version in all but the byte that announces another form is damaged in that byte.
  const absl::Status form = CheckForm(fields);
  if (!form.ok()) return status.ok() ? absl::DataLossError("header checksum does not match") : form;
  if (!status.ok()) return status;
  header_bytes = reader.position();
  return TakeFields(std::move(fields));
}

uint64_t SegmentChecksum(uint64_t segment_index, ByteSpan body) {
  return HashOf(body, segment_index);
}

void AppendSegment(ByteSpan body, uint64_t checksum, Bytes& out) {
  AppendVarint(body.size(), out);
  AppendBytes(body, out);
  AppendLittleEndian(checksum, kSegmentChecksumBytes, out);
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
