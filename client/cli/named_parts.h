// The tensors of a file by their names, whether it is an archive or an original file.
#ifndef DCAC_CLIENT_CLI_NAMED_PARTS_H_
#define DCAC_CLIENT_CLI_NAMED_PARTS_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/files/archive.h"
#include "core/files/archive_file.h"
#include "core/files/byte_stream.h"
#include "core/files/original_file.h"
#include "dcac/tensor.h"

namespace dcac::cli {

struct NamedPart {
  std::string name;
  bool is_tensor = true;  // otherwise bytes of no known meaning, which are taken for samples of u8
  DType dtype = DType::kU8;
  std::vector<std::uint64_t> shape;
  bool fortran_order = false;  // the first axis is the fastest one among the bytes, not the last
  std::uint64_t bytes = 0;
  std::vector<std::size_t> pieces;  // that it consists of, in order
};

class NamedParts {
 public:
  // Errors: those of reading; DataLoss and the like for archives; InvalidArgument (`format` does not fit).
  static absl::StatusOr<std::unique_ptr<NamedParts>> Open(const std::string& path, const files::InputFormat& format);

  // Tensors, and other members that have a name.  Where there are none: the whole content, as one unnamed part.
  const std::vector<NamedPart>& parts() const { return parts_; }

  // Reads the bytes of a part, decoded; must not outlive this.
  absl::StatusOr<std::unique_ptr<files::ByteSource>> Source(const NamedPart& part) const;

 private:
  explicit NamedParts(files::FileSource file) : file_(std::move(file)), random_(file_) {}
  absl::Status Load(const files::InputFormat& format);
  void ListParts(std::span<const std::uint64_t> inline_offsets);
  absl::StatusOr<std::unique_ptr<files::ByteSource>> PieceSource(std::size_t piece) const;
  const files::ArchiveFile::Frame* FindFrame(std::size_t piece) const;

  files::FileSource file_;
  files::RandomFile random_;
  std::optional<files::ArchiveFile> archive_;  // nothing: an original file
  files::ArchiveHead head_;
  std::vector<std::uint64_t> offsets_;  // of the pieces in the original file; of an archive, among its inline bytes
  std::vector<NamedPart> parts_;
};

}  // namespace dcac::cli

#endif  // DCAC_CLIENT_CLI_NAMED_PARTS_H_
