#include <array>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "dcac/options.h"
#include "dcac/tensor.h"

namespace dcac {
namespace {

constexpr DType kDTypes[] = {DType::kU8,     DType::kI8,     DType::kU16,  DType::kI16, DType::kF16, DType::kBF16,
                             DType::kF32,    DType::kU32,    DType::kI32,  DType::kU64, DType::kI64, DType::kF64,
                             DType::kF8E4M3, DType::kF8E5M2, DType::kBool, DType::kC64, DType::kC128};
constexpr Layout kLayouts[] = {Layout::kNchw, Layout::kNhwc, Layout::kTokens, Layout::kHeads, Layout::kFlat};

constexpr std::array<std::pair<DType, std::string_view>, std::size(kDTypes)> kDTypeNames = {{{DType::kU8, "u8"},
                                                                                             {DType::kI8, "i8"},
                                                                                             {DType::kU16, "u16"},
                                                                                             {DType::kI16, "i16"},
                                                                                             {DType::kF16, "f16"},
                                                                                             {DType::kBF16, "bf16"},
                                                                                             {DType::kF32, "f32"},
                                                                                             {DType::kU32, "u32"},
                                                                                             {DType::kI32, "i32"},
                                                                                             {DType::kU64, "u64"},
                                                                                             {DType::kI64, "i64"},
                                                                                             {DType::kF64, "f64"},
                                                                                             {DType::kF8E4M3, "f8e4m3"},
                                                                                             {DType::kF8E5M2, "f8e5m2"},
                                                                                             {DType::kBool, "bool"},
                                                                                             {DType::kC64, "c64"},
                                                                                             {DType::kC128, "c128"}}};
// The last two are found by their names only.
constexpr std::array<std::pair<Layout, std::string_view>, std::size(kLayouts) + 2> kLayoutNames = {
    {{Layout::kNchw, "nchw"},
     {Layout::kNhwc, "nhwc"},
     {Layout::kTokens, "tokens"},
     {Layout::kHeads, "heads"},
     {Layout::kFlat, "flat"},
     {Layout::kNchw, "chw"},
     {Layout::kNhwc, "hwc"}}};
constexpr std::array<std::pair<Mode, std::string_view>, 3> kModeNames = {
    {{Mode::kLs, "ls"}, {Mode::kDcac, "dcac"}, {Mode::kIntra, "intra"}}};
constexpr std::array<std::pair<Similarity, std::string_view>, 3> kSimilarityNames = {
    {{Similarity::kBits, "bits"}, {Similarity::kDifference, "difference"}, {Similarity::kCorrelation, "correlation"}}};

template <typename Names, typename Enum>
std::string_view NameOf(const Names& names, Enum value) {
  for (const auto& [candidate, name] : names) {
    if (candidate == value) return name;
  }
  return "unknown";
}

template <typename Enum, typename Names>
std::optional<Enum> FindName(const Names& names, std::string_view name) {
  for (const auto& [value, candidate] : names) {
    if (candidate == name) return value;
  }
  return std::nullopt;
}

std::size_t LeastRank(Layout layout) {
  return layout == Layout::kNhwc || layout == Layout::kHeads ? 3 : layout == Layout::kTokens ? 2 : 0;
}

}  // namespace

std::size_t SampleBytes(DType dtype) {
  switch (dtype) {
    case DType::kU8:
    case DType::kI8:
    case DType::kF8E4M3:
    case DType::kF8E5M2:
    case DType::kBool:
      return 1;
    case DType::kU16:
    case DType::kI16:
    case DType::kF16:
    case DType::kBF16:
      return 2;
    case DType::kF32:
    case DType::kU32:
    case DType::kI32:
      return 4;
    case DType::kU64:
    case DType::kI64:
    case DType::kF64:
    case DType::kC64:
      return 8;
    case DType::kC128:
      return 16;
  }
  return 0;
}

std::span<const DType> AllDTypes() {
  return kDTypes;
}
std::span<const Layout> AllLayouts() {
  return kLayouts;
}

std::string_view DTypeName(DType dtype) {
  return NameOf(kDTypeNames, dtype);
}
std::optional<DType> ParseDType(std::string_view name) {
  return FindName<DType>(kDTypeNames, name);
}
std::string_view LayoutName(Layout layout) {
  return NameOf(kLayoutNames, layout);
}
std::optional<Layout> ParseLayout(std::string_view name) {
  return FindName<Layout>(kLayoutNames, name);
}
std::string_view ModeName(Mode mode) {
  return NameOf(kModeNames, mode);
}
std::optional<Mode> ParseMode(std::string_view name) {
  return FindName<Mode>(kModeNames, name);
}
std::string_view SimilarityName(Similarity similarity) {
  return NameOf(kSimilarityNames, similarity);
}
std::optional<Similarity> ParseSimilarity(std::string_view name) {
  return FindName<Similarity>(kSimilarityNames, name);
}

std::string ShapeToString(const std::vector<std::uint64_t>& shape) {
  return absl::StrCat("[", absl::StrJoin(shape, ", "), "]");
}

absl::StatusOr<std::uint64_t> TensorBytes(const TensorSpec& spec) {
  if (SampleBytes(spec.dtype) == 0) {
    return absl::InvalidArgumentError(absl::StrCat("dtype ", static_cast<int>(spec.dtype), " is unknown"));
  }
  if (LayoutName(spec.layout) == "unknown") {
    return absl::InvalidArgumentError(absl::StrCat("layout ", static_cast<int>(spec.layout), " is unknown"));
  }
  if (spec.shape.size() > TensorSpec::kMaxRank) {
    return absl::InvalidArgumentError(
        absl::StrCat("shape has ", spec.shape.size(), " axes, at most ", TensorSpec::kMaxRank, " are supported"));
  }
  if (spec.shape.size() < LeastRank(spec.layout)) {
    return absl::InvalidArgumentError(absl::StrCat("shape ", ShapeToString(spec.shape), " for layout ",
                                                   std::string(LayoutName(spec.layout)), ", which needs ",
                                                   LeastRank(spec.layout), " axes"));
  }
  // Empty axes count as 1 here: it bounds every partial product and the bytes that a shape takes in a header.
  std::uint64_t bound = SampleBytes(spec.dtype), bytes = bound;
  for (std::uint64_t extent : spec.shape) {
    const std::uint64_t factor = extent == 0 ? 1 : extent;
    if (factor > (std::uint64_t{1} << 62) / bound) {
      return absl::InvalidArgumentError(absl::StrCat("shape ", ShapeToString(spec.shape), " exceeds 2^62 bytes"));
    }
    bound *= factor;
    bytes *= extent;
  }
  return bytes;
}

}  // namespace dcac
