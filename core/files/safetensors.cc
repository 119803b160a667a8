#include "core/files/safetensors.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <set>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "core/base/bytes.h"
#include "core/base/status_macros.h"
#include "core/files/archive.h"
#include "core/files/printable.h"

namespace dcac::files {
namespace {

constexpr std::size_t kLengthBytes = 8;
constexpr std::string_view kMetadata = "__metadata__";

struct TypeName {
  std::string_view name;
  DType dtype;
};
constexpr std::array<TypeName, 17> kTypes = {{{"BOOL", DType::kBool},
                                              {"U8", DType::kU8},
                                              {"I8", DType::kI8},
                                              {"U16", DType::kU16},
                                              {"I16", DType::kI16},
                                              {"U32", DType::kU32},
                                              {"I32", DType::kI32},
                                              {"U64", DType::kU64},
                                              {"I64", DType::kI64},
                                              {"F16", DType::kF16},
                                              {"BF16", DType::kBF16},
                                              {"F32", DType::kF32},
                                              {"F64", DType::kF64},
                                              {"F8_E4M3", DType::kF8E4M3},
                                              {"F8_E5M2", DType::kF8E5M2},
                                              {"C64", DType::kC64},
                                              {"C128", DType::kC128}}};

absl::Status Malformed(std::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("malformed safetensors header: ", std::string(what)));
}

// Takes the events of the parser, so that a header of 100 MB does not become a tree of many times its size.
class Handler final : public nlohmann::json_sax<nlohmann::json> {
 public:
  const absl::Status& status() const { return status_; }
  std::vector<SafetensorsEntry>& entries() { return entries_; }

  bool null() override { return Value(); }
  bool boolean(bool) override { return Value(); }
  bool number_float(double, const std::string&) override { return Value(); }
  bool binary(nlohmann::json::binary_t&) override { return Value(); }

  bool number_integer(std::int64_t) override {  // only negative ones
    return InMetadata() || Fail("a number is negative");
  }

  bool number_unsigned(std::uint64_t value) override {
    if (InMetadata()) return true;
    if (depth_ != kInArray) return Fail("a number stands where none is due");
    if (field_ == Field::kShape) return AddExtent(value);
    if (num_offsets_ == 2) return Fail("data_offsets has more than two numbers");
    (num_offsets_++ == 0 ? entries_.back().begin : entries_.back().end) = value;
    return true;
  }

  bool string(std::string& value) override {
    if (InMetadata()) return true;
    if (depth_ != kInTensor || field_ != Field::kType) return Fail("a text stands where none is due");
    has_type_ = true;
    const auto* type = std::find_if(kTypes.begin(), kTypes.end(), [&](const TypeName& t) { return t.name == value; });
    if (type != kTypes.end()) entries_.back().dtype = type->dtype;
    return true;
  }

  bool start_object(std::size_t) override {
    ++depth_;
    if (InMetadata() || depth_ == kInRoot) return true;
    if (depth_ != kInTensor) return Fail("an object stands where none is due");
    has_type_ = has_shape_ = false;
    num_offsets_ = 0;
    return true;
  }

  bool key(std::string& name) override {
    if (depth_ == kInRoot) return BeginEntry(name);
    if (InMetadata()) return true;
    field_ = name == "dtype"          ? Field::kType
             : name == "shape"        ? Field::kShape
             : name == "data_offsets" ? Field::kOffsets
                                      : Field::kNone;
    const bool again = (field_ == Field::kType && has_type_) || (field_ == Field::kShape && has_shape_) ||
                       (field_ == Field::kOffsets && num_offsets_ > 0);
    return field_ == Field::kNone || again ? Fail("a tensor has a field that is unknown or appears twice") : true;
  }

  bool end_object() override {
    const bool ends_tensor = depth_ == kInTensor && !InMetadata();
    --depth_;
    if (depth_ == kInRoot) in_metadata_ = false;
    if (ends_tensor && !(has_type_ && has_shape_ && num_offsets_ == 2)) {
      return Fail("dtype, shape or data_offsets is missing");
    }
    return true;
  }

  bool start_array(std::size_t) override {
    ++depth_;
    if (InMetadata()) return true;
    if (depth_ != kInArray || (field_ != Field::kShape && field_ != Field::kOffsets)) {
      return Fail("a list stands where none is due");
    }
    has_shape_ |= field_ == Field::kShape;
    return true;
  }

  bool end_array() override {
    --depth_;
    return true;
  }

  bool parse_error(std::size_t position, const std::string&, const nlohmann::json::exception&) override {
    return Fail(absl::StrCat("no JSON at byte ", position));
  }

 private:
  enum class Field { kNone, kType, kShape, kOffsets };
  // Depths: the object of all tensors, that of one, a list in it.
  static constexpr int kInRoot = 1, kInTensor = 2, kInArray = 3;

  // Metadata may be anything.
  bool InMetadata() const { return in_metadata_ && depth_ > kInRoot; }

  bool Value() { return InMetadata() || Fail("a value stands where none is due"); }

  bool Fail(std::string_view what) {
    status_ = Malformed(what);
    return false;
  }

  bool BeginEntry(const std::string& name) {
    if (!names_.insert(name).second) return Fail(absl::StrCat("the name ", Printable(name), " appears twice"));
    in_metadata_ = name == kMetadata;
    if (in_metadata_) return true;
    if (entries_.size() == kMaxSafetensors) return Fail(absl::StrCat("more than ", kMaxSafetensors, " tensors"));
    if (name.size() > kMaxNameBytes) return Fail(absl::StrCat("a name has ", name.size(), " bytes"));
    entries_.push_back({.name = name});
    return true;
  }

  bool AddExtent(std::uint64_t extent) {
    // More than anything has; what has more than kMaxRank is kept as bytes.
    constexpr std::size_t kMost = 64;
    if (entries_.back().shape.size() == kMost) return Fail("a shape has too many axes");
    entries_.back().shape.push_back(extent);
    return true;
  }

  absl::Status status_;
  std::vector<SafetensorsEntry> entries_;
  std::set<std::string, std::less<>> names_;
  int depth_ = 0;
  bool in_metadata_ = false;
  Field field_ = Field::kNone;
  bool has_type_ = false, has_shape_ = false;
  int num_offsets_ = 0;
};

absl::Status CheckEntry(const SafetensorsEntry& entry, std::uint64_t end_before) {
  const std::string name = Printable(entry.name);
  if (entry.begin > entry.end) return Malformed(absl::StrCat("the offsets of ", name, " are reversed"));
  if (entry.begin < end_before) return Malformed(absl::StrCat(name, " overlaps the tensor before it"));
  if (!entry.dtype || entry.shape.size() > TensorSpec::kMaxRank) return absl::OkStatus();
  const absl::StatusOr<std::uint64_t> bytes = TensorBytes({*entry.dtype, entry.shape, Layout::kFlat});
  if (!bytes.ok() || *bytes != entry.end - entry.begin) {
    return Malformed(absl::StrCat(name, " takes ", entry.end - entry.begin, " bytes, its shape is ",
                                  ShapeToString(entry.shape), " of ", std::string(DTypeName(*entry.dtype))));
  }
  return absl::OkStatus();
}

}  // namespace

std::optional<std::uint64_t> SafetensorsHeaderBytes(std::span<const std::byte> start) {
  if (start.size() < kSafetensorsPreambleBytes || start[kLengthBytes] != std::byte{'{'}) return std::nullopt;
  const std::uint64_t length = LoadLittleEndian(start.data(), kLengthBytes);
  if (length < 2 || length > kMaxSafetensorsHeaderBytes) return std::nullopt;
  return kLengthBytes + length;
}

absl::StatusOr<std::vector<SafetensorsEntry>> ParseSafetensorsHeader(std::span<const std::byte> header) {
  const auto* text = reinterpret_cast<const char*>(header.data()) + kLengthBytes;
  Handler handler;
  // Spaces may follow the text; the parser allows them.
  if (!nlohmann::json::sax_parse(text, text + (header.size() - kLengthBytes), &handler)) {
    return handler.status().ok() ? Malformed("no JSON") : handler.status();
  }
  std::vector<SafetensorsEntry> entries = std::move(handler.entries());
  std::sort(entries.begin(), entries.end(), [](const SafetensorsEntry& a, const SafetensorsEntry& b) {
    return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
  });
  std::uint64_t end = 0;
  for (const SafetensorsEntry& entry : entries) {
    DCAC_RETURN_IF_ERROR(CheckEntry(entry, end));
    end = entry.end;
  }
  return entries;
}

}  // namespace dcac::files
