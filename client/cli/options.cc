#include "client/cli/options.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string_view>
#include <system_error>
#include <utility>

#include "absl/strings/str_split.h"
#include "dcac/frame_encoder.h"
#include "dcac/tensor.h"

namespace dcac::cli {
namespace {

[[noreturn]] void Reject(const std::string& option, const std::string& value, const std::string& expected) {
  throw CLI::ValidationError(option + "=" + value + ": expected " + expected);
}

// Adds an option whose value is a name that `parse` knows.
template <typename Value, typename Target>
void AddNamed(CLI::App& command, const std::string& option, Target& target,
              std::optional<Value> (*parse)(std::string_view), const std::string& names, const std::string& help) {
  command
      .add_option_function<std::string>(
          option,
          [&target, option, parse, names](const std::string& text) {
            const std::optional<Value> value = parse(text);
            if (!value) Reject(option, text, names);
            target = *value;
          },
          help)
      ->type_name("{" + names + "}");
}

// The names of `values`, for help and messages.
template <typename Value>
std::string Names(std::span<const Value> values, std::string_view (*name)(Value)) {
  std::string names;
  for (const Value value : values) names.append(names.empty() ? "" : ", ").append(name(value));
  return names;
}

// A layout, or nothing inside for auto.
std::optional<std::optional<Layout>> ParseLayoutOrAuto(std::string_view text) {
  if (text == "auto") return std::optional<Layout>();
  const std::optional<Layout> layout = ParseLayout(text);
  if (!layout) return std::nullopt;
  return layout;
}

std::vector<std::uint64_t> ParseShape(const std::string& text) {
  std::vector<std::uint64_t> shape;
  const char* at = text.data();
  const char* const end = at + text.size();
  while (at != end) {
    std::uint64_t extent = 0;
    const auto [after, error] = std::from_chars(at, end, extent);
    const bool more = after != end;
    if (error != std::errc() || (more && (*after != ',' || after + 1 == end))) {
      Reject("--shape", text, "extents such as 1,64,56,56");
    }
    shape.push_back(extent);
    at = more ? after + 1 : end;
  }
  const absl::StatusOr<std::uint64_t> bytes =
      TensorBytes({.dtype = DType::kU8, .shape = shape, .layout = Layout::kFlat});
  if (!bytes.ok()) Reject("--shape", text, "at most 8 extents, whose product is the size of a tensor");
  return shape;
}

std::uint32_t ParseRopeNumber(const std::string& text, std::string_view digits) {
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error != std::errc() || end != digits.data() + digits.size()) Reject("--rope", text, "numbers");
  return value;
}

// "auto", "none", or fields such as "theta=10000,dim=64,rotary=32,pairs=interleaved".
void ParseRope(const std::string& text, EncodeOptions& options) {
  options.rope_choice = text == "auto" ? RopeChoice::kTry : text == "none" ? RopeChoice::kNone : RopeChoice::kGiven;
  if (options.rope_choice != RopeChoice::kGiven) return;
  options.rope = {};
  for (const auto field : absl::StrSplit(text, ',')) {
    const std::pair<std::string, std::string> parts = absl::StrSplit(field, absl::MaxSplits('=', 1));
    if (parts.first == "theta") {
      options.rope.theta = ParseRopeNumber(text, parts.second);
    } else if (parts.first == "dim") {
      options.rope.head_dim = ParseRopeNumber(text, parts.second);
    } else if (parts.first == "rotary") {
      options.rope.rotary_dim = ParseRopeNumber(text, parts.second);
    } else if (parts.first == "pairs" && (parts.second == "half" || parts.second == "interleaved")) {
      options.rope.interleaved = parts.second == "interleaved";
    } else {
      Reject("--rope", text, "auto, none, or theta=N,dim=N,rotary=N,pairs=half|interleaved");
    }
  }
  if (const absl::Status status = CheckRope(options.rope); !status.ok()) {
    throw CLI::ValidationError("--rope=" + text + ": " + std::string(status.message()));
  }
}

}  // namespace

std::optional<std::string> FindEmptyValue(std::span<char* const> arguments) {
  for (const std::string_view argument : arguments) {
    if (argument == "--") break;
    if (argument.starts_with("--") && argument.find('=') == argument.size() - 1) return std::string(argument);
  }
  return std::nullopt;
}

void AddRunOptions(CLI::App& command, RunOptions& options) {
  command.add_option("FILE", options.files, "Files; - is stdin")->required();
  AddWorkOptions(command, options);
}

void AddWorkOptions(CLI::App& command, RunOptions& options) {
  command.add_flag("--json", options.json, "One JSON object a line and file on stdout");
  command.add_flag("-q,--quiet", options.quiet, "Errors only");
  command.add_flag("-v,--verbose", options.verbose, "More about each file");
  command.add_option("-T,--threads", options.threads, "Threads; 0 = all processors")
      ->check(CLI::Range(0, 1024))
      ->capture_default_str();
  command
      .add_option("--memory", options.memory_bytes,
                  "How much memory files that are worked on at once may take, such as 500MB or 2GiB; a quarter of the "
                  "machine's, at most 4 GiB, unless told")
      ->transform(CLI::AsSizeValue(false));
}

void AddOutputOptions(CLI::App& command, OutputOptions& options) {
  command.add_option("-o,--output", options.output, "The output file; - is stdout");
  command.add_flag("-c,--stdout", options.to_stdout, "Write to stdout");
  command.add_flag("-f,--force", options.force, "Replace existing files");
  command.add_flag("--rm", options.remove_source,
                   "Remove the source after the written output was decoded and compared");
  command.add_flag("-k,--keep", options.keep_source, "Keep the source (default)")->excludes("--rm");
}

void AddEncodeOptions(CLI::App& command, EncodeOptions& options) {
  constexpr int kMin = EncodeOptions::kMinLevel, kMax = EncodeOptions::kMaxLevel;
  command.add_option("--level", options.level, "1 (fastest) to 9 (smallest); -1 to -9 for short")
      ->check(CLI::Range(kMin, kMax))
      ->capture_default_str();
  for (int level = kMin; level <= kMax; ++level) {
    command.add_flag_callback("-" + std::to_string(level), [&options, level] { options.level = level; })->group("");
  }
  AddNamed(command, "--mode", options.mode, ParseMode, "ls, dcac, intra", "How planes predict each other");
  command.add_option("--max-references", options.max_references, "Mode ls: most reference planes of a plane")
      ->check(CLI::Range(0, 16));
  command.add_option("--segment-bytes", options.segment_bytes, "Raw bytes of a segment")
      ->check(CLI::Range(EncodeOptions::kMinSegmentBytes, EncodeOptions::kMaxSegmentBytes))
      ->capture_default_str();
  command.add_option("--window", options.window, "Earlier planes that are searched; 0 = as the level and the mode say")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  AddNamed(command, "--similarity", options.similarity, ParseSimilarity, "bits, difference, correlation",
           "Mode dcac: how planes are compared");
  command.add_flag_callback(
      "--no-previous-item", [&options] { options.previous_item = false; },
      "Planes of earlier batch items are no reference planes");
  command.add_option_function<std::string>(
      "--rope", [&options](const std::string& text) { ParseRope(text, options); },
      "Layouts tokens and heads: the rotation of keys that is undone to compare tokens: auto (default: common ones are "
      "tried), none, or theta=N,dim=N,rotary=N,pairs=half|interleaved");
}

void AddInputFormat(CLI::App& command, files::InputFormat& format) {
  AddNamed(command, "--dtype", format.dtype, ParseDType, Names(AllDTypes(), DTypeName),
           "Samples of raw files; bf16 also for .npy and .npz files of uint16");
  AddNamed(command, "--layout", format.layout, ParseLayoutOrAuto, Names(AllLayouts(), LayoutName) + ", auto",
           "What the axes mean; auto (default): as the samples suggest");
  command.add_option_function<std::string>(
      "--shape", [&format](const std::string& text) { format.shape = ParseShape(text); },
      "The files are raw samples of this shape, such as 1,64,56,56");
}

std::optional<std::string> CheckOptions(const RunOptions& run, const OutputOptions& output, bool several_to_one) {
  if (output.output && output.to_stdout) return "-o and -c exclude each other, expected one of them";
  if (output.output && run.files.size() > 1 && !several_to_one) {
    return "-o is given for " + std::to_string(run.files.size()) + " files, expected one file";
  }
  const auto to_stdout = [&](const std::string& file) { return WritesToStdout(output, file); };
  const bool any_to_stdout = std::any_of(run.files.begin(), run.files.end(), to_stdout);
  if (any_to_stdout && !std::all_of(run.files.begin(), run.files.end(), to_stdout)) {
    return "stdin is given among files, and its output would go to stdout: expected it alone, or -c";
  }
  if (any_to_stdout && run.json) return "--json and an output on stdout exclude each other, expected one of them";
  if (any_to_stdout && output.remove_source) return "--rm is given with an output on stdout, expected a file";
  if (output.remove_source && std::find(run.files.begin(), run.files.end(), kStandardStream) != run.files.end()) {
    return "--rm is given with stdin, expected files";
  }
  return std::nullopt;
}

bool WritesToStdout(const OutputOptions& options, const std::string& file) {
  if (options.output) return *options.output == kStandardStream;
  return options.to_stdout || file == kStandardStream;
}

}  // namespace dcac::cli
