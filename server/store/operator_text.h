// What an error says to the operators of a server, and to nobody else.
#ifndef DCAC_SERVER_STORE_OPERATOR_TEXT_H_
#define DCAC_SERVER_STORE_OPERATOR_TEXT_H_

#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace dcac::store {

// `error` with `text` beside its message, in a payload: whoever passes errors on to clients has to take it off
// (discreet_store.h).
absl::Status WithOperatorText(absl::Status error, std::string_view text);

// Empty: there is none.
std::string OperatorText(const absl::Status& error);

// Its message, and what is beside it.
std::string MessageForOperators(const absl::Status& error);

}  // namespace dcac::store

#endif  // DCAC_SERVER_STORE_OPERATOR_TEXT_H_
