#include "client/cli/tensor_extract.h"

#include <fnmatch.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <string_view>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "core/files/npy.h"
#include "core/files/original_file.h"
#include "core/files/printable.h"

namespace dcac::cli {
namespace {

// "A:B", "A:", ":B", ":" or "A", which is A:A+1.  Returns false for anything else.
bool ParseRange(std::string_view text, std::uint64_t& begin, std::uint64_t& end) {
  const auto parse = [](std::string_view digits, std::uint64_t& value) {
    const auto [after, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    return error == std::errc() && after == digits.data() + digits.size();
  };
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos) {
    if (!parse(text, begin) || begin == Slice::kAll) return false;
    end = begin + 1;
    return true;
  }
  const std::string_view first = text.substr(0, colon), second = text.substr(colon + 1);
  return (first.empty() || parse(first, begin)) && (second.empty() || parse(second, end));
}

void AddRange(CLI::App& command, const std::string& option, const std::string& help, ExtractOptions& options,
              std::uint64_t Slice::*begin, std::uint64_t Slice::*end) {
  command.add_option_function<std::string>(
      option,
      [&options, option, begin, end](const std::string& text) {
        if (!options.slice) options.slice.emplace();
        if (!ParseRange(text, (*options.slice).*begin, (*options.slice).*end)) {
          throw CLI::ValidationError(option + "=" + text + ": expected A:B, A: or :B");
        }
      },
      help);
}

bool IsTensor(const files::ArchiveFile& archive, const files::ArchiveFile::Frame& frame) {
  return archive.head().pieces[frame.piece].kind == files::PieceKind::kTensor;
}

const std::string& NameOf(const files::ArchiveFile& archive, const files::ArchiveFile::Frame& frame) {
  return archive.head().pieces[frame.piece].name;
}

// For messages: "the tensors a, b, c and 12 more".
std::string AvailableTensors(const files::ArchiveFile& archive) {
  constexpr std::size_t kMost = 8;
  std::string text;
  std::size_t count = 0;
  for (const files::ArchiveFile::Frame& frame : archive.frames()) {
    if (!IsTensor(archive, frame) || ++count > kMost) continue;
    absl::StrAppend(&text, count == 1 ? "" : ", ", files::Printable(NameOf(archive, frame)));
  }
  if (count == 0) return "no tensors";
  if (count == 1 && text.empty()) return "one tensor, which has no name";
  return absl::StrCat("the tensors ", text, count > kMost ? absl::StrCat(" and ", count - kMost, " more") : "");
}

bool IsPattern(const std::string& name) {
  return name.find_first_of("*?[") != std::string::npos;
}

// How many tensors the name is the name of, or fits as a pattern; `chosen` marks them.
absl::Status Choose(const files::ArchiveFile& archive, const std::string& name, std::vector<bool>& chosen) {
  const std::vector<files::ArchiveFile::Frame>& frames = archive.frames();
  std::vector<std::size_t> equal, fitting;
  for (std::size_t i = 0; i < frames.size(); ++i) {
    if (!IsTensor(archive, frames[i])) continue;
    const std::string& candidate = NameOf(archive, frames[i]);
    if (candidate == name) equal.push_back(i);
    if (IsPattern(name) && ::fnmatch(name.c_str(), candidate.c_str(), 0) == 0) fitting.push_back(i);
  }
  if (equal.size() > 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("has ", equal.size(), " tensors named ", files::Printable(name), ", expected one"));
  }
  if (equal.empty() && fitting.empty()) {
    return absl::NotFoundError(
        absl::StrCat("has no tensor ", files::Printable(name), ", it has ", AvailableTensors(archive)));
  }
  for (const std::size_t i : equal.empty() ? fitting : equal) chosen[i] = true;
  return absl::OkStatus();
}

// The header of the .npy file that is made of a tensor.
using HeaderFunction = std::vector<std::byte> (*)(const TensorSpec& spec);

absl::StatusOr<Extracted> ExtractSlice(FrameAccess access, const Slice& slice, HeaderFunction header,
                                       files::ByteSink& sink) {
  std::atomic<std::uint64_t> read_bytes{0};
  const FrameAccess counted{access.frame_bytes, [&](std::uint64_t offset, std::span<std::byte> out) {
                              read_bytes += out.size();
                              return access.read(offset, out);
                            }};
  DCAC_ASSIGN_OR_RETURN(SliceDecoder decoder, SliceDecoder::Create(counted, slice));
  Extracted extracted{.spec = decoder.spec()};
  DCAC_RETURN_IF_ERROR(sink.Write(header(extracted.spec)));
  while (true) {
    DCAC_ASSIGN_OR_RETURN(const std::vector<std::byte> samples, decoder.Next());
    if (samples.empty()) break;
    DCAC_RETURN_IF_ERROR(sink.Write(samples));
    extracted.raw_bytes += samples.size();
  }
  extracted.decoded_segments = decoder.decoded_segments();
  extracted.read_bytes = read_bytes;
  return extracted;
}

}  // namespace

void AddExtractOptions(CLI::App& command, ExtractOptions& options) {
  command
      .add_option("--tensor", options.tensors,
                  "Not the file but the tensor of this name, as .npy; may be a pattern, and may be repeated")
      ->allow_extra_args(false);
  AddRange(command, "--items", "Only these items of the batch, A:B, as .npy", options, &Slice::item_begin,
           &Slice::item_end);
  AddRange(command, "--planes", "Only these planes (channels), A:B, as .npy", options, &Slice::plane_begin,
           &Slice::plane_end);
  AddRange(command, "--rows", "Only these rows, A:B, as .npy", options, &Slice::row_begin, &Slice::row_end);
}

absl::StatusOr<std::vector<files::ArchiveFile::Frame>> FindTensors(const files::ArchiveFile& archive,
                                                                   const ExtractOptions& options) {
  const std::vector<files::ArchiveFile::Frame>& frames = archive.frames();
  std::vector<bool> chosen(frames.size());
  for (const std::string& name : options.tensors) DCAC_RETURN_IF_ERROR(Choose(archive, name, chosen));
  if (options.tensors.empty()) {
    for (std::size_t i = 0; i < frames.size(); ++i) chosen[i] = IsTensor(archive, frames[i]);
    if (std::count(chosen.begin(), chosen.end(), true) != 1) {
      return absl::InvalidArgumentError(
          absl::StrCat("has ", AvailableTensors(archive), ", expected one or --tensor=NAME"));
    }
  }
  std::vector<files::ArchiveFile::Frame> found;
  for (std::size_t i = 0; i < frames.size(); ++i) {
    if (chosen[i]) found.push_back(frames[i]);
  }
  return found;
}

absl::StatusOr<Extracted> ExtractTensor(const files::ArchiveFile& archive, const files::ArchiveFile::Frame& frame,
                                        const std::optional<Slice>& slice, FrameCoder& coder, files::ByteSink& sink) {
  const HeaderFunction header =
      files::IsFortranOrder(archive.head(), frame.piece) ? files::FortranNpyHeader : files::CanonicalNpyHeader;
  if (slice) return ExtractSlice(archive.Access(frame), *slice, header, sink);
  Extracted extracted{.read_bytes = frame.bytes};
  const auto write_header = [&](const TensorSpec& spec) {
    extracted.spec = spec;
    return sink.Write(header(spec));
  };
  files::RangeSource source = archive.Source(frame);
  DCAC_RETURN_IF_ERROR(coder.Decode(source, write_header, sink));
  DCAC_ASSIGN_OR_RETURN(extracted.raw_bytes, TensorBytes(extracted.spec));
  return extracted;
}

}  // namespace dcac::cli
