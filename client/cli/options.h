// Options that several verbs share.
#ifndef DCAC_CLIENT_CLI_OPTIONS_H_
#define DCAC_CLIENT_CLI_OPTIONS_H_

#include <CLI/CLI.hpp>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "client/cli/server_options.h"
#include "core/files/original_file.h"
#include "dcac/options.h"

namespace dcac::cli {

inline constexpr char kStandardStream[] = "-";  // stdin or stdout, by place

struct OutputOptions {
  std::optional<std::string> output;  // -o
  bool to_stdout = false;
  bool force = false;
  bool remove_source = false;
  bool keep_source = false;
};

struct RunOptions {
  std::vector<std::string> files;
  bool json = false;
  bool quiet = false;
  bool verbose = false;
  int threads = 0;
  std::optional<std::uint64_t> memory_bytes;  // nothing: DefaultMemoryBytes
  ServerOptions server;
};

// The argument that gives an option an empty value ("--output="), if there is one: the parser would take the next
// argument for its value, a file for example.
std::optional<std::string> FindEmptyValue(std::span<char* const> arguments);

void AddRunOptions(CLI::App& command, RunOptions& options);
void AddWorkOptions(CLI::App& command, RunOptions& options);  // all of these but the files
void AddOutputOptions(CLI::App& command, OutputOptions& options);
void AddEncodeOptions(CLI::App& command, EncodeOptions& options);
void AddInputFormat(CLI::App& command, files::InputFormat& format);

// What is wrong with the combination, if anything.  `several_to_one`: -o names a folder, which takes many outputs.
std::optional<std::string> CheckOptions(const RunOptions& run, const OutputOptions& output, bool several_to_one);

// Whether the output of `file` goes to stdout.
bool WritesToStdout(const OutputOptions& options, const std::string& file);

}  // namespace dcac::cli

#endif  // DCAC_CLIENT_CLI_OPTIONS_H_
