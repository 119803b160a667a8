#include "tests/testing/small_archives.h"

#include <stdlib.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <memory>
#include <utility>

#include "client/cli/archive_transfer.h"
#include "core/base/bytes.h"
#include "core/files/archive.h"
#include "core/files/byte_stream.h"
#include "core/files/npy.h"
#include "core/files/original_file.h"
#include "dcac/codec.h"
#include "tests/testing/archive_surgery.h"

namespace dcac::testing {
namespace {

// No test can go on without what failed.
void AbortUnless(const absl::Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "%s\n", status.ToString().c_str());
  std::abort();
}

class TemporaryFile {
 public:
  explicit TemporaryFile(ByteSpan content) {
    const int fd = mkstemp(path_);
    AbortUnless(files::FdSink(fd).Write(content));
    close(fd);
  }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  ~TemporaryFile() { unlink(path_); }

  files::FileSource Open() const {
    auto file = files::FileSource::Open(path_);
    AbortUnless(file.status());
    return *std::move(file);
  }

 private:
  char path_[32] = "/tmp/dcac-archive-XXXXXX";
};

// Samples of a few planes that resemble each other.
Bytes Ramp(std::size_t bytes) {
  Bytes data(bytes);
  for (std::size_t i = 0; i < bytes; ++i) data[i] = static_cast<std::byte>(i % 12 * 3 + i / 144 * 7);
  return data;
}

Bytes NpyFile(const TensorSpec& spec, ByteSpan suffix) {
  Bytes file = files::CanonicalNpyHeader(spec);
  AppendBytes(Ramp(static_cast<std::size_t>(TensorBytes(spec).value())), file);
  AppendBytes(suffix, file);
  return file;
}

// What the command line makes of an original file.
Bytes ArchiveOf(ByteSpan original, const files::InputFormat& format) {
  const TemporaryFile file(original);
  files::FileSource source = file.Open();
  const std::unique_ptr<cli::FrameCoder> coder = cli::MakeLocalFrameCoder();
  files::VectorSink archive;
  AbortUnless(cli::WriteArchive(source, source, format, {}, *coder, archive).status());
  return std::move(archive.bytes());
}

// What comes of a long pipe, with shorter frames.
SmallArchive OpenArchive() {
  SmallArchive small{.name = "open", .original = Ramp(400)};
  LooseArchive loose;
  loose.fixed =
      files::SerializeArchiveHead({.kind = files::ArchiveKind::kBytes, .form = files::ArchiveHead::Form::kOpen});
  loose.fixed.resize(loose.fixed.size() - 4);  // the checksum
  const std::size_t half = small.original.size() / 2;
  for (std::size_t at : {std::size_t{0}, half})
    loose.frames.push_back(Compress(files::OpaqueSpec(half), std::span(small.original).subspan(at, half)).value());
  loose.digest = ComputeDigest(small.original);
  small.archive = AssembleArchive(loose);
  return small;
}

// Of the data in tests/data.
std::vector<SmallArchive> MakeSmallArchives() {
  std::vector<SmallArchive> result;
  const auto add = [&](std::string name, Bytes original, const files::InputFormat& format = {}) {
    Bytes archive = ArchiveOf(original, format);
    result.push_back({std::move(name), std::move(original), std::move(archive)});
  };
  const TensorSpec map{DType::kU8, {3, 12, 12}};
  const ByteSpan note = std::as_bytes(std::span("note", 4));
  add("npy", NpyFile(map, {}));
  add("npy with a suffix", NpyFile(map, note));
  add("raw", Ramp(432), {.dtype = DType::kU8, .shape = map.shape});
  add("bytes", Ramp(300));
  add("empty", {});
  for (const char* name : {"some.npz", "some.safetensors", "dict.pt"})
    add(name, ReadWholeFile(std::string(DCAC_TEST_DATA_DIR "/files/") + name));
  result.push_back(OpenArchive());
  return result;
}

}  // namespace

Bytes ReadWholeFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  const ByteSpan bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

absl::StatusOr<Bytes> RestoreOriginal(ByteSpan archive) {
  const std::unique_ptr<cli::FrameCoder> coder = cli::MakeLocalFrameCoder();
  files::MemorySource source(archive);
  files::VectorSink original;
  const auto content = cli::RestoreArchive(source, *coder, original);
  if (!content.ok()) return content.status();
  return std::move(original.bytes());
}

const std::vector<SmallArchive>& SmallArchives() {
  static const std::vector<SmallArchive> archives = MakeSmallArchives();
  return archives;
}

}  // namespace dcac::testing
