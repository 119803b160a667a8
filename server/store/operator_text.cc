#include "server/store/operator_text.h"

#include <utility>

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"

namespace dcac::store {
namespace {

constexpr const char* kUrl = "dcac.server.store/operator-text";

}  // namespace

absl::Status WithOperatorText(absl::Status error, std::string_view text) {
  if (!text.empty()) error.SetPayload(kUrl, absl::Cord(absl::string_view(text.data(), text.size())));
  return error;
}

std::string OperatorText(const absl::Status& error) {
  return std::string(error.GetPayload(kUrl).value_or(absl::Cord()));
}

std::string MessageForOperators(const absl::Status& error) {
  const std::string text = OperatorText(error);
  return absl::StrCat(std::string(error.message()), text.empty() ? "" : ": ", text);
}

}  // namespace dcac::store
