// A reader of Python pickles, protocols 2 to 5, that executes nothing: it builds a graph of what the opcodes describe,
// of which an opcode or a global that is not on a list is refused.  Pickles are untrusted: nodes, edges and memo are
// bounded, and strings stay where they are.
#ifndef DCAC_CORE_FILES_PICKLE_H_
#define DCAC_CORE_FILES_PICKLE_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace dcac::files {

inline constexpr std::size_t kMaxPickleBytes = std::size_t{32} << 20;
inline constexpr std::size_t kMaxPickleNodes = 2'000'000;
inline constexpr std::size_t kMaxPickleEdges = 8'000'000;  // items of containers and of the stack

using PickleRef = std::uint32_t;  // the number of a node

struct PickleNode {
  enum class Type : std::uint8_t {
    kNone,
    kBool,
    kInt,
    kOther,       // a number or a byte string of no interest
    kString,      // `text`
    kGlobal,      // `module`, `text`
    kTuple,       // `items`, as in kList
    kList,        // and kSet
    kDict,        // `items`: key, value, key, value
    kObject,      // `items`: what was called, its arguments, and the states that it was given
    kPersistent,  // `items`: the persistent id
  };

  Type type = Type::kNone;
  std::int64_t integer = 0;  // kInt, kBool
  std::string_view module{};
  std::string_view text{};
  std::vector<PickleRef> items{};
};

struct Pickle {
  std::vector<PickleNode> nodes;  // they may refer to each other in cycles
  PickleRef root = 0;
};

// Whether a pickle may name a global.
using GlobalFilter = std::function<bool(std::string_view module, std::string_view name)>;

// Reads the pickle that is `data`, which must outlive the result.  An ordered dictionary is a kDict.
// Errors: InvalidArgument (malformed, an opcode that is not allowed, a global that `allowed` refuses, over a limit).
absl::StatusOr<Pickle> ReadPickle(std::span<const std::byte> data, const GlobalFilter& allowed);

}  // namespace dcac::files

#endif  // DCAC_CORE_FILES_PICKLE_H_
