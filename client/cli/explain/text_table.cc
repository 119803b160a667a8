#include "client/cli/explain/text_table.h"

#include <algorithm>
#include <cstddef>

namespace dcac::cli {
TextTable::TextTable(std::vector<Column> columns) {
  std::vector<std::string> heading;
  for (Column& column : columns) {
    heading.push_back(std::move(column.first));
    align_.push_back(column.second);
  }
  rows_.push_back(std::move(heading));
}

void TextTable::AddRow(std::vector<std::string> cells) {
  rows_.push_back(std::move(cells));
}

std::string TextTable::ToString() const {
  std::vector<std::size_t> widths(align_.size(), 0);
  for (const auto& row : rows_) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string text;
  for (const auto& row : rows_) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      const std::string padding(widths[i] - row[i].size(), ' ');
      line += "  " + (align_[i] == Align::kRight ? padding + row[i] : row[i] + padding);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += "\n" + line;
  }
  return text;
}

}  // namespace dcac::cli
