// Where the parts of a frame are, and how a test changes them and makes the checksums match again.
#ifndef DCAC_TESTS_TESTING_FRAME_SURGERY_H_
#define DCAC_TESTS_TESTING_FRAME_SURGERY_H_

#include <cstddef>
#include <cstdint>
#include <optional>
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

// The parts of a frame that AssembleFrame joins.
struct LooseFrame {
  std::vector<std::byte> header;  // without its checksum
  std::vector<std::vector<std::byte>> bodies;
  Digest digest{};
};

// Takes a frame apart that may be damaged: goes by the sizes it finds, cut to what is there, and believes no checksum.
// Nothing where not even a header is there.  Assembled again, a valid frame is the same and others have right
// checksums.
std::optional<LooseFrame> TakeApart(std::span<const std::byte> frame);

// A frame of the given parts: `header` without its checksum, bodies of segments, digest of the tensor; the rest is
// computed.
std::vector<std::byte> AssembleFrame(std::vector<std::byte> header, const std::vector<std::vector<std::byte>>& bodies,
                                     const Digest& digest);

// Makes the checksum of index and trailer right, where the frame says that they are, if it is long enough for them.
void RepairTrailerChecksum(std::vector<std::byte>& frame);

// Gives a frame with a trailer another digest, and the trailer the right checksum.
void ReplaceDigest(std::vector<std::byte>& frame, const Digest& digest);

// A header without its checksum: any numbers, valid or not.
std::vector<std::byte> HeaderOf(int dtype, const std::vector<std::uint64_t>& shape,
                                const std::vector<std::uint64_t>& steps);

}  // namespace dcac::testing

#endif  // DCAC_TESTS_TESTING_FRAME_SURGERY_H_
