// Early return of a Status or of the error of a StatusOr.
#ifndef DCAC_CORE_BASE_STATUS_MACROS_H_
#define DCAC_CORE_BASE_STATUS_MACROS_H_

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#define DCAC_RETURN_IF_ERROR(expr)                                                   \
  do {                                                                               \
    if (absl::Status dcac_status_ = (expr); !dcac_status_.ok()) return dcac_status_; \
  } while (false)

#define DCAC_CONCAT_INNER_(a, b) a##b
#define DCAC_CONCAT_(a, b) DCAC_CONCAT_INNER_(a, b)
#define DCAC_ASSIGN_OR_RETURN(lhs, expr) DCAC_ASSIGN_OR_RETURN_IMPL_(DCAC_CONCAT_(dcac_result_, __LINE__), lhs, expr)
#define DCAC_ASSIGN_OR_RETURN_IMPL_(result, lhs, expr) \
  auto result = (expr);                                \
  if (!result.ok()) return std::move(result).status(); \
  lhs = *std::move(result)

#endif  // DCAC_CORE_BASE_STATUS_MACROS_H_
