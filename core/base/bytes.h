// Little-endian bytes in and out, and variable-length integers.  Readers never run past the end of their input.
#ifndef DCAC_CORE_BASE_BYTES_H_
#define DCAC_CORE_BASE_BYTES_H_

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace dcac {

using ByteSpan = std::span<const std::byte>;
using Bytes = std::vector<std::byte>;

inline void AppendByte(uint8_t value, Bytes& out) {
  out.push_back(std::byte{value});
}

inline void AppendBytes(ByteSpan data, Bytes& out) {
  out.insert(out.end(), data.begin(), data.end());
}

inline void AppendLittleEndian(uint64_t value, int num_bytes, Bytes& out) {
  for (int i = 0; i < num_bytes; ++i) AppendByte(static_cast<uint8_t>(value >> (8 * i)), out);
}

inline uint64_t LoadLittleEndian(const std::byte* data, int num_bytes) {
  uint64_t value = 0;
  for (int i = 0; i < num_bytes; ++i) value |= uint64_t{std::to_integer<uint8_t>(data[i])} << (8 * i);
  return value;
}

// The same for eight bytes, as one load where the machine is little-endian.
inline uint64_t LoadLittleEndian64(const std::byte* data) {
  if constexpr (std::endian::native != std::endian::little) return LoadLittleEndian(data, 8);
  uint64_t value;
  std::memcpy(&value, data, sizeof(value));
  return value;
}

// Makes room for `size` bytes of `most` that may come.  What grows is there twice while it moves: as a half, a quarter
// and so on of `most` it is never more than that, and never more than twice what came.
inline void ReserveByHalves(size_t size, uint64_t most, Bytes& out) {
  if (size <= out.capacity() || size > most) return;
  while (most / 2 >= size) most -= most / 2;
  out.reserve(static_cast<size_t>(most));
}

// LEB128: seven bits a byte, least significant first, the top bit set on all bytes but the last.
inline void AppendVarint(uint64_t value, Bytes& out) {
  for (; value >= 0x80; value >>= 7) AppendByte(static_cast<uint8_t>(value | 0x80), out);
  AppendByte(static_cast<uint8_t>(value), out);
}

// The bytes that AppendVarint takes.
inline size_t VarintBytes(uint64_t value) {
  return value == 0 ? 1 : (static_cast<size_t>(std::bit_width(value)) + 6) / 7;
}

// Reads values off the front of a byte range.  `short_input()` tells apart "needs more bytes" and "malformed" for
// callers that stream.
class ByteReader {
 public:
  explicit ByteReader(ByteSpan data) : data_(data) {}

  size_t position() const { return position_; }
  size_t remaining() const { return data_.size() - position_; }
  bool short_input() const { return short_input_; }

  absl::Status ReadByte(const char* what, uint8_t& value) {
    if (remaining() < 1) return Short(what);
    value = std::to_integer<uint8_t>(data_[position_++]);
    return absl::OkStatus();
  }

  absl::Status ReadLittleEndian(const char* what, int num_bytes, uint64_t& value) {
    if (remaining() < static_cast<size_t>(num_bytes)) return Short(what);
    value = LoadLittleEndian(data_.data() + position_, num_bytes);
    position_ += static_cast<size_t>(num_bytes);
    return absl::OkStatus();
  }

  // A varint must be in its shortest form and fit 64 bits.
  absl::Status ReadVarint(const char* what, uint64_t& value) {
    value = 0;
    for (int shift = 0;; shift += 7) {
      uint8_t byte = 0;
      if (absl::Status status = ReadByte(what, byte); !status.ok()) return status;
      if (shift == 63 && byte > 1) return absl::DataLossError(absl::StrCat(what, ": varint exceeds 64 bits"));
      value |= uint64_t{byte & 0x7fu} << shift;
      if (byte < 0x80) {
        if (byte == 0 && shift > 0)
          return absl::DataLossError(absl::StrCat(what, ": varint is not in its shortest form"));
        return absl::OkStatus();
      }
    }
  }

  absl::Status ReadSpan(const char* what, uint64_t num_bytes, ByteSpan& value) {
    if (remaining() < num_bytes) return Short(what);
    value = data_.subspan(position_, static_cast<size_t>(num_bytes));
    position_ += static_cast<size_t>(num_bytes);
    return absl::OkStatus();
  }

 private:
  absl::Status Short(const char* what) {
    short_input_ = true;
    return absl::DataLossError(absl::StrCat(what, ": the input ends at byte ", data_.size()));
  }

  ByteSpan data_;
  size_t position_ = 0;
  bool short_input_ = false;
};

}  // namespace dcac

#endif  // DCAC_CORE_BASE_BYTES_H_
