#include "core/files/original_file.h"

#include <array>
#include <cstddef>
#include <span>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "core/files/npy.h"

namespace dcac::files {
namespace {

absl::StatusOr<std::vector<std::byte>> ReadNpyHeader(PushbackSource& source) {
  std::vector<std::byte> header(kNpyPreambleBytes);
  DCAC_ASSIGN_OR_RETURN(const std::size_t n, ReadFully(source, header));
  header.resize(n);
  if (!HasNpyMagic(header)) {
    return absl::InvalidArgumentError("is no .npy file, expected one or --dtype and --shape");
  }
  DCAC_ASSIGN_OR_RETURN(const std::size_t header_bytes, NpyHeaderBytes(header));
  if (header_bytes < header.size()) return absl::InvalidArgumentError("malformed .npy header: it is too short");
  header.resize(header_bytes);
  DCAC_ASSIGN_OR_RETURN(const std::size_t rest, ReadFully(source, std::span(header).subspan(n)));
  if (n + rest < header_bytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("ends after ", n + rest, " bytes, expected a .npy header of ", header_bytes));
  }
  return header;
}

absl::StatusOr<DType> SampleType(DType stored, std::optional<DType> wanted) {
  if (!wanted || *wanted == stored) return stored;
  if (stored == DType::kU16 && *wanted == DType::kBF16) return DType::kBF16;
  return absl::InvalidArgumentError(absl::StrCat("samples are ", std::string(DTypeName(stored)), ", expected ",
                                                 *wanted == DType::kBF16 ? "u16 or " : "",
                                                 std::string(DTypeName(*wanted)), " as --dtype says"));
}

absl::Status ReadNpy(PushbackSource& source, std::optional<DType> dtype, OriginalFile& original) {
  DCAC_ASSIGN_OR_RETURN(std::vector<std::byte> header, ReadNpyHeader(source));
  DCAC_ASSIGN_OR_RETURN(original.spec, ParseNpyHeader(header));
  DCAC_ASSIGN_OR_RETURN(original.spec.dtype, SampleType(original.spec.dtype, dtype));
  original.head.kind = ArchiveKind::kNpy;
  original.head.canonical_npy_header = header == CanonicalNpyHeader(original.spec);
  if (!original.head.canonical_npy_header) original.head.prefix = std::move(header);
  return absl::OkStatus();
}

absl::Status ReadSuffix(const FileSource& file, OriginalFile& original) {
  const std::uint64_t prefix_bytes = OriginalPrefix(original.head, original.spec).size();
  const std::uint64_t expected = prefix_bytes + original.tensor_bytes;
  const std::string wanted = absl::StrCat("expected ", expected, " for shape ", ShapeToString(original.spec.shape),
                                          " of ", std::string(DTypeName(original.spec.dtype)));
  if (*file.size() < expected)
    return absl::InvalidArgumentError(absl::StrCat("holds ", *file.size(), " bytes, ", wanted));
  const std::uint64_t suffix_bytes = *file.size() - expected;
  if (suffix_bytes > (original.head.kind == ArchiveKind::kRaw ? 0 : kMaxSuffixBytes)) {
    return absl::InvalidArgumentError(absl::StrCat("holds ", *file.size(), " bytes, ", wanted));
  }
  original.head.suffix.resize(static_cast<std::size_t>(suffix_bytes));
  return file.ReadTail(original.head.suffix);
}

}  // namespace

absl::StatusOr<OriginalFile> ReadOriginalHead(const FileSource& file, PushbackSource& source,
                                              const InputFormat& format) {
  OriginalFile original;
  if (format.shape) {
    if (!format.dtype) return absl::InvalidArgumentError("--shape is given without --dtype, expected both");
    original.spec = {.dtype = *format.dtype, .shape = *format.shape};
  } else {
    DCAC_RETURN_IF_ERROR(ReadNpy(source, format.dtype, original));
  }
  DCAC_ASSIGN_OR_RETURN(original.tensor_bytes, TensorBytes(original.spec));
  if (file.size()) DCAC_RETURN_IF_ERROR(ReadSuffix(file, original));
  return original;
}

absl::Status CheckOriginalEnd(ByteSource& source) {
  std::array<std::byte, 1> byte;
  DCAC_ASSIGN_OR_RETURN(const std::size_t n, source.Read(byte));
  if (n != 0) return absl::InvalidArgumentError("goes on after the samples, expected its end");
  return absl::OkStatus();
}

}  // namespace dcac::files
