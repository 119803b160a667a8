// Input: a `.dcac` archive.  Read from its start as from a pipe, and by its tail as from a file.
#include <algorithm>
#include <utility>

#include "client/cli/archive_transfer.h"
#include "core/base/bytes.h"
#include "core/files/archive.h"
#include "core/files/archive_file.h"
#include "core/files/byte_stream.h"
#include "dcac/codec.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/original_check.h"
#include "tests/testing/archive_surgery.h"

namespace dcac {
namespace {

// Decodes with the limits of a fuzz target.
class LimitedCoder final : public cli::FrameCoder {
 public:
  absl::Status Encode(const TensorSpec&, const EncodeOptions&, files::ByteSource&, files::ByteSink&) override {
    return absl::UnimplementedError("decodes only");
  }

  absl::Status Decode(files::ByteSource& frame, const SpecSink& spec_sink, files::ByteSink& samples) override {
    Bytes bytes;
    Bytes chunk(1000);
    for (;;) {
      const auto n = frame.Read(chunk);
      if (!n.ok()) return n.status();
      if (*n == 0) break;
      AppendBytes(std::span(chunk).first(*n), bytes);
    }
    const auto tensor = Decompress(bytes, fuzz::kLimits);
    if (!tensor.ok()) return tensor.status();
    if (const absl::Status status = spec_sink(tensor->spec); !status.ok()) return status;
    return samples.Write(tensor->data);
  }

  absl::StatusOr<FrameInfo> Inspect(const FrameAccess& frame) override { return dcac::Inspect(frame, fuzz::kLimits); }
};

absl::StatusOr<Bytes> Restore(ByteSpan archive) {
  LimitedCoder coder;
  files::MemorySource source(archive);
  files::VectorSink original;
  const auto content = cli::RestoreArchive(source, coder, original);
  if (!content.ok()) return content.status();
  return std::move(original.bytes());
}

// What head and tail say of the frames; whether they say anything.
bool CheckDirectory(ByteSpan archive) {
  const files::RandomMemory memory(archive);
  const auto file = files::ArchiveFile::Open(memory);
  if (!file.ok()) {
    DCAC_FUZZ_REQUIRE(fuzz::IsRefusal(file.status()));
    return false;
  }
  std::uint64_t end = 0;
  for (const files::ArchiveFile::Frame& frame : file->frames()) {
    DCAC_FUZZ_REQUIRE(file->head().pieces.at(frame.piece).has_frame());
    DCAC_FUZZ_REQUIRE(frame.offset >= end && frame.bytes <= archive.size() - frame.offset);
    end = frame.offset + frame.bytes;
  }
  return true;
}

// What is restored is what the pieces say, and the digest of all of it is checked.
void CheckRestored(ByteSpan archive, const Bytes& original) {
  const auto parsed = files::ParseArchiveHead(archive);
  DCAC_FUZZ_REQUIRE(parsed.ok() && parsed->has_value());
  const files::ArchiveHead& head = (*parsed)->head;
  fuzz::CheckHead(head);
  DCAC_FUZZ_REQUIRE(CheckDirectory(archive));
  std::optional<testing::LooseArchive> loose = testing::TakeArchiveApart(archive);
  DCAC_FUZZ_REQUIRE(loose && loose->digest.has_value() == (head.form != files::ArchiveHead::Form::kSingle));
  if (!loose->digest) return;
  DCAC_FUZZ_REQUIRE(loose->digest == ComputeDigest(original));
  loose->digest->front() ^= std::byte{1};
  DCAC_FUZZ_REQUIRE(Restore(testing::AssembleArchive(*loose)).status().code() == absl::StatusCode::kDataLoss);
}

void Check(ByteSpan archive) {
  const auto original = Restore(archive);
  fuzz::CountOutcome(original.status());
  DCAC_FUZZ_REQUIRE(original.ok() || fuzz::IsRefusal(original.status()));
  CheckDirectory(archive);
  if (original.ok()) CheckRestored(archive, *original);
}

}  // namespace
}  // namespace dcac

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  dcac::Check(dcac::fuzz::InputBytes(data, size));
  return 0;
}
