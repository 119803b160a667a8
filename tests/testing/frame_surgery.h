// Where the parts of a frame are, and how a test changes them and makes the checksums match again.
#ifndef DCAC_TESTS_TESTING_FRAME_SURGERY_H_
#define DCAC_TESTS_TESTING_FRAME_SURGERY_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "dcac/codec.h"

namespace dcac::testing {

class FrameParts {
 public:
  // Of a valid frame.
  explicit FrameParts(std::span<const std::byte> frame);

  struct Segment {
    std::size_t begin, body, end;  // of the size; of the body; end of the checksum
  };

  std::size_t header_bytes() const { return header_bytes_; }
  std::size_t index_begin() const { return index_begin_; }
  const std::vector<Segment>& segments() const { return segments_; }

  // Recomputes all checksums of a frame that differs from the original only in its bytes' values.  The digest stays.
  void RepairChecksums(std::vector<std::byte>& frame) const;

 private:
  std::size_t header_bytes_, index_begin_;
  std::vector<Segment> segments_;
};

// A frame of the given parts: `header` without its checksum, bodies of segments, digest of the tensor; the rest is
// computed.
std::vector<std::byte> AssembleFrame(std::vector<std::byte> header, const std::vector<std::vector<std::byte>>& bodies,
                                     const Digest& digest);

// A header without its checksum: any numbers, valid or not.
std::vector<std::byte> HeaderOf(int dtype, const std::vector<std::uint64_t>& shape,
                                const std::vector<std::uint64_t>& steps);

}  // namespace dcac::testing

#endif  // DCAC_TESTS_TESTING_FRAME_SURGERY_H_
