// The HTML page of `dcac explain`: one file that needs nothing else, and no network.
#ifndef DCAC_CLIENT_CLI_EXPLAIN_PAGE_H_
#define DCAC_CLIENT_CLI_EXPLAIN_PAGE_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "client/cli/explain/explained_tensor.h"

namespace dcac::cli {

// Collects tensors in bounded memory: of each a row of the table, of the largest also charts, whose planes are grouped
// where there are many.  Names of files and tensors may be anything.
class ExplainPage {
 public:
  static constexpr std::size_t kMaxPlanes = 256;    // bars and rows of a chart
  static constexpr std::size_t kMaxSegments = 64;   // of a tensor
  static constexpr std::size_t kMaxTensors = 5000;  // rows of the table
  static constexpr std::size_t kMaxNotes = 100;
  static constexpr std::size_t kMaxDetailBytes = std::size_t{24} << 20;  // of charts and segments of all tensors

  void Add(const ExplainedTensor& tensor);
  void AddFile() { ++files_; }

  // Something to tell below the table: a file that failed, a limit that was met.
  void AddNote(std::string note);

  // `subject`: what is explained.
  std::string Render(std::string_view subject);

 private:
  struct Row {
    std::string summary;  // JSON without its closing brace
    std::string detail;   // JSON; empty: none
    std::uint64_t stored_bytes = 0;
  };

  void KeepWithinBounds();

  std::vector<Row> rows_;
  std::vector<std::string> notes_;
  std::size_t files_ = 0, detail_bytes_ = 0, untold_notes_ = 0;
  std::uint64_t raw_bytes_ = 0, stored_bytes_ = 0, plain_bytes_ = 0, side_bytes_ = 0, tensors_ = 0, planes_ = 0,
                segments_ = 0;
  double sample_bits_ = 0;
  bool compared_ = true;
};

}  // namespace dcac::cli

#endif  // DCAC_CLIENT_CLI_EXPLAIN_PAGE_H_
