// Columns of text for people.
#ifndef DCAC_CLIENT_CLI_EXPLAIN_TEXT_TABLE_H_
#define DCAC_CLIENT_CLI_EXPLAIN_TEXT_TABLE_H_

#include <string>
#include <utility>
#include <vector>

namespace dcac::cli {

class TextTable {
 public:
  enum class Align { kLeft, kRight };
  using Column = std::pair<std::string, Align>;  // its heading

  explicit TextTable(std::vector<Column> columns);

  // One cell for each column; printable ASCII.
  void AddRow(std::vector<std::string> cells);

  // Heading and rows, each line indented by two spaces and begun by '\n'.
  std::string ToString() const;

 private:
  std::vector<Align> align_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace dcac::cli

#endif  // DCAC_CLIENT_CLI_EXPLAIN_TEXT_TABLE_H_
