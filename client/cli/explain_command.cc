#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/cli/commands.h"
#include "client/cli/exit_code.h"
#include "client/cli/explain/explained_tensor.h"
#include "client/cli/explain/file_explainer.h"
#include "client/cli/explain/page.h"
#include "client/cli/file_run.h"
#include "client/cli/options.h"
#include "client/cli/output.h"
#include "core/base/status_macros.h"
#include "core/files/atomic_file.h"

namespace dcac::cli {
namespace {

struct ExplainCommandOptions {
  RunOptions run;
  ExplainRequest request;
  bool html = false;
  bool no_compare = false;
  OutputOptions output;
};

// Sums over the tensors of a file.
struct FileTotals {
  std::uint64_t tensors = 0, raw_bytes = 0, stored_bytes = 0, plain_bytes = 0;
  bool compared = true;

  void Add(const FrameExplanation& explanation) {
    ++tensors;
    raw_bytes += explanation.info.raw_bytes;
    stored_bytes += explanation.info.frame_bytes;
    plain_bytes += explanation.frame_bytes_without_references;
    compared = compared && explanation.compared;
  }

  std::string ToString() const {
    std::string text = absl::StrCat(tensors, tensors == 1 ? " tensor, " : " tensors, ", raw_bytes, " => ", stored_bytes,
                                    " bytes, ratio ", RatioText(raw_bytes, stored_bytes));
    if (compared && tensors > 0) {
      absl::StrAppend(&text, "; without references ", plain_bytes, " bytes, ratio ", RatioText(raw_bytes, plain_bytes));
    }
    return text;
  }
};

absl::Status ExplainToReport(const ExplainCommandOptions& options, const std::string& file, const FileRun& run) {
  FileTotals totals;
  std::vector<ExplainedTensor> tensors;
  std::string planes;  // with -v, each tensor's after its line
  const auto take = [&](ExplainedTensor tensor) {
    tensor.file = run.name;
    totals.Add(tensor.explanation);
    if (run.report.json()) return run.report.Result(ExplanationToJson(tensor), "");
    if (options.run.verbose) {
      absl::StrAppend(&planes, "\n", TensorsText({tensor}), PlanesText(tensor.explanation));
      return;
    }
    // The table needs no more than this.
    tensor.explanation.planes.clear();
    tensor.explanation.segments.clear();
    tensor.explanation.info.segments.clear();
    tensors.push_back(std::move(tensor));
  };
  DCAC_ASSIGN_OR_RETURN(const ExplainedFile explained, ExplainFile(file, options.request, run.progress, take));
  if (run.report.json()) return absl::OkStatus();
  std::string text = absl::StrCat(OneLine(run.name), ": ", explained.kind, ", ", totals.ToString());
  if (!explained.note.empty()) absl::StrAppend(&text, "\n  ", explained.note);
  absl::StrAppend(&text, tensors.empty() ? "" : TensorsText(tensors), planes);
  run.report.Result({}, text);
  return absl::OkStatus();
}

absl::Status ExplainToPage(const ExplainCommandOptions& options, const std::string& file, const FileRun& run,
                           ExplainPage& page) {
  page.AddFile();
  const auto take = [&](ExplainedTensor tensor) {
    tensor.file = run.name;
    page.Add(tensor);
  };
  const absl::StatusOr<ExplainedFile> explained = ExplainFile(file, options.request, run.progress, take);
  if (!explained.ok()) {
    page.AddNote(absl::StrCat(run.name, " failed: ", std::string(explained.status().message())));
    return explained.status();
  }
  if (!explained->note.empty()) page.AddNote(absl::StrCat(run.name, ": ", explained->note));
  return absl::OkStatus();
}

absl::Status WritePage(const std::string& page, const OutputOptions& options) {
  const std::span<const std::byte> bytes = std::as_bytes(std::span(page));
  constexpr int kStdout = 1;
  if (options.output.value_or(kStandardStream) == kStandardStream) return files::FdSink(kStdout).Write(bytes);
  const auto existing = options.force ? files::AtomicFile::Existing::kReplace : files::AtomicFile::Existing::kRefuse;
  DCAC_ASSIGN_OR_RETURN(files::AtomicFile file,
                        files::AtomicFile::Create(*options.output, existing, files::NewFileMode()));
  DCAC_RETURN_IF_ERROR(file.Write(bytes));
  return file.Commit();
}

int RunExplainToPage(const ExplainCommandOptions& options, const FileRunSettings& settings) {
  ExplainPage page;
  const int exit_code = RunOverFiles(options.run, settings, [&](const std::string& file, const FileRun& run) {
    return ExplainToPage(options, file, run, page);
  });
  const std::vector<std::string>& files = options.run.files;
  const std::string subject = files.size() == 1 ? files.front() : absl::StrCat(files.size(), " files");
  const absl::Status status = WritePage(page.Render(subject), options.output);
  if (status.ok()) return exit_code;
  return ReportOtherError(absl::StrCat(options.output.output.value_or("stdout"), ": ", std::string(status.message())));
}

int RunExplain(const ExplainCommandOptions& options) {
  if (options.html && options.run.json) return ReportUsageError("--html and --json exclude each other, expected one");
  if (options.output.output && !options.html) return ReportUsageError("-o is given without --html, expected both");
  if (options.request.format.shape && !options.request.format.dtype) {
    return ReportUsageError("--shape is given without --dtype, expected both");
  }
  if (options.output.output) {
    for (const std::string& file : options.run.files) {
      if (!IsSameFile(file, *options.output.output)) continue;
      return ReportOtherError(absl::StrCat(file, ": is input and output, expected two files"));
    }
  }
  const FileRunSettings settings{
      .direction = ProgressBar::Direction::kCompress, .data_to_stdout = options.html, .memory = nullptr};
  if (options.html) return RunExplainToPage(options, settings);
  return RunOverFiles(options.run, settings,
                      [&](const std::string& file, const FileRun& run) { return ExplainToReport(options, file, run); });
}

}  // namespace

void AddExplainCommand(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand(
      "explain", "Show where the bytes of archives, or of files as compress would store them, go; -v: plane by plane");
  auto options = std::make_shared<ExplainCommandOptions>();
  AddRunOptions(*command, options->run);
  command->add_flag("--html", options->html, "Write one HTML page that needs nothing else");
  command->add_option("-o,--output", options->output.output, "Where the page goes; - is stdout (default)");
  command->add_flag("-f,--force", options->output.force, "Replace an existing page");
  command->add_flag("--no-compare", options->no_compare,
                    "Do not encode again without references to tell what they save; faster");
  options->request.explain.max_planes = 1024;
  command
      ->add_option("--max-planes", options->request.explain.max_planes,
                   "Planes of a tensor that are told apart; more are shown in groups")
      ->check(CLI::Range(1, 1 << 20))
      ->capture_default_str();
  AddEncodeOptions(*command, options->request.encode);
  AddInputFormat(*command, options->request.format);
  command->callback([options, &action] {
    options->request.explain.compare = !options->no_compare;
    action = [options] { return RunExplain(*options); };
  });
}

}  // namespace dcac::cli
