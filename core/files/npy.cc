#include "core/files/npy.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "core/files/printable.h"

namespace dcac::files {
namespace {

constexpr std::size_t kShortPreambleBytes = 10;  // version 1.0 has a length of two bytes
constexpr std::size_t kAlignment = 64;
constexpr std::size_t kGrowthDigits = 21;  // room that NumPy leaves for the extent of the slowest axis to grow in place

struct Descr {
  DType dtype;
  std::string_view name;
};

// Types that NumPy does not have come last, so that its own are found first when a header is parsed.
constexpr std::array<Descr, 17> kDescrs = {{{DType::kU8, "|u1"},
                                            {DType::kI8, "|i1"},
                                            {DType::kU16, "<u2"},
                                            {DType::kI16, "<i2"},
                                            {DType::kU32, "<u4"},
                                            {DType::kI32, "<i4"},
                                            {DType::kU64, "<u8"},
                                            {DType::kI64, "<i8"},
                                            {DType::kF16, "<f2"},
                                            {DType::kF32, "<f4"},
                                            {DType::kF64, "<f8"},
                                            {DType::kBool, "|b1"},
                                            {DType::kC64, "<c8"},
                                            {DType::kC128, "<c16"},
                                            {DType::kBF16, "<u2"},
                                            {DType::kF8E4M3, "|u1"},
                                            {DType::kF8E5M2, "|u1"}}};

std::string_view AsText(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

absl::Status Malformed(std::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("malformed .npy header: ", std::string(what)));
}

// Reads the subset of Python literals that .npy headers consist of.
class LiteralParser {
 public:
  explicit LiteralParser(std::string_view text) : text_(text) {}

  bool Consume(char c) {
    SkipSpace();
    if (text_.empty() || text_.front() != c) return false;
    text_.remove_prefix(1);
    return true;
  }

  std::optional<std::string_view> String() {
    SkipSpace();
    if (text_.empty() || (text_.front() != '\'' && text_.front() != '"')) return std::nullopt;
    const std::size_t end = text_.find(text_.front(), 1);
    if (end == std::string_view::npos) return std::nullopt;
    const std::string_view value = text_.substr(1, end - 1);
    text_.remove_prefix(end + 1);
    return value;
  }

  std::optional<bool> Bool() {
    if (ConsumeWord("True")) return true;
    if (ConsumeWord("False")) return false;
    return std::nullopt;
  }

  std::optional<std::uint64_t> Integer() {
    SkipSpace();
    std::uint64_t value = 0;
    std::size_t digits = 0;
    while (digits < text_.size() && text_[digits] >= '0' && text_[digits] <= '9') {
      const std::uint64_t digit = static_cast<std::uint64_t>(text_[digits] - '0');
      if (value > (UINT64_MAX - digit) / 10) return std::nullopt;
      value = value * 10 + digit;
      ++digits;
    }
    if (digits == 0) return std::nullopt;
    text_.remove_prefix(digits);
    return value;
  }

  bool AtEnd() {
    SkipSpace();
    return text_.empty();
  }

 private:
  void SkipSpace() {
    const std::size_t begin = text_.find_first_not_of(" \t\r\n");
    text_.remove_prefix(std::min(begin, text_.size()));
  }

  bool ConsumeWord(std::string_view word) {
    SkipSpace();
    if (!text_.starts_with(word)) return false;
    text_.remove_prefix(word.size());
    return true;
  }

  std::string_view text_;
};

struct HeaderFields {
  std::optional<std::string_view> descr;
  std::optional<bool> fortran_order;
  std::optional<std::vector<std::uint64_t>> shape;
};

absl::StatusOr<std::vector<std::uint64_t>> ParseShape(LiteralParser& parser) {
  if (!parser.Consume('(')) return Malformed("shape is no tuple");
  std::vector<std::uint64_t> shape;
  while (!parser.Consume(')')) {
    const std::optional<std::uint64_t> extent = parser.Integer();
    if (!extent) return Malformed("an extent of the shape is no integer below 2^64");
    if (shape.size() == TensorSpec::kMaxRank) {
      return absl::InvalidArgumentError(absl::StrCat("has more than ", TensorSpec::kMaxRank, " axes"));
    }
    shape.push_back(*extent);
    if (parser.Consume(',')) continue;
    if (!parser.Consume(')')) return Malformed("the shape has no end");
    break;
  }
  return shape;
}

absl::Status ParseField(LiteralParser& parser, std::string_view key, HeaderFields& fields) {
  if (key == "descr") {
    if (fields.descr) return Malformed("descr appears twice");
    fields.descr = parser.String();
    if (!fields.descr) return absl::InvalidArgumentError("holds structured samples, expected numbers");
  } else if (key == "fortran_order") {
    if (fields.fortran_order) return Malformed("fortran_order appears twice");
    fields.fortran_order = parser.Bool();
    if (!fields.fortran_order) return Malformed("fortran_order is neither True nor False");
  } else if (key == "shape") {
    if (fields.shape) return Malformed("shape appears twice");
    DCAC_ASSIGN_OR_RETURN(fields.shape, ParseShape(parser));
  } else {
    return Malformed("unknown key");
  }
  return absl::OkStatus();
}

absl::StatusOr<HeaderFields> ParseDictionary(std::string_view text) {
  LiteralParser parser(text);
  if (!parser.Consume('{')) return Malformed("no dictionary");
  HeaderFields fields;
  while (!parser.Consume('}')) {
    const std::optional<std::string_view> key = parser.String();
    if (!key || !parser.Consume(':')) return Malformed("no key where one is due");
    DCAC_RETURN_IF_ERROR(ParseField(parser, *key, fields));
    if (parser.Consume(',')) continue;
    if (!parser.Consume('}')) return Malformed("the dictionary has no end");
    break;
  }
  if (!parser.AtEnd()) return Malformed("text after the dictionary");
  if (!fields.descr || !fields.fortran_order || !fields.shape) {
    return Malformed("descr, fortran_order or shape is missing");
  }
  return fields;
}

absl::StatusOr<HeaderFields> ParseFields(std::span<const std::byte> header) {
  DCAC_ASSIGN_OR_RETURN(const std::size_t header_bytes, NpyHeaderBytes(header));
  if (header_bytes != header.size()) return Malformed("its length field is wrong");
  const bool short_length = std::to_integer<int>(header[6]) == 1;
  return ParseDictionary(AsText(header.subspan(short_length ? kShortPreambleBytes : kNpyPreambleBytes)));
}

// The header that NumPy writes for an array whose bytes are those of `spec`.
std::vector<std::byte> NpyHeader(const TensorSpec& spec, bool fortran_order) {
  const auto* descr =
      std::find_if(kDescrs.begin(), kDescrs.end(), [&](const Descr& d) { return d.dtype == spec.dtype; });
  std::vector<std::uint64_t> shape = spec.shape;
  if (fortran_order) std::reverse(shape.begin(), shape.end());
  std::string text = absl::StrCat("{'descr': '", std::string(descr->name),
                                  "', 'fortran_order': ", fortran_order ? "True" : "False", ", 'shape': (");
  for (std::size_t axis = 0; axis < shape.size(); ++axis) {
    absl::StrAppend(&text, axis == 0 ? "" : ", ", shape[axis]);
  }
  absl::StrAppend(&text, shape.size() == 1 ? ",), }" : "), }");
  // The axis along which an array can grow at its end.
  if (!shape.empty()) text.append(kGrowthDigits - absl::StrCat(spec.shape.front()).size(), ' ');
  // At least one space, then the newline that ends the header on a multiple of the alignment.
  text.append(kAlignment - (kShortPreambleBytes + text.size() + 1) % kAlignment, ' ');
  text.push_back('\n');

  std::string header(kNpyMagic);
  header += {'\x01', '\x00', static_cast<char>(text.size() & 0xff), static_cast<char>(text.size() >> 8)};
  header += text;
  const auto* begin = reinterpret_cast<const std::byte*>(header.data());
  return {begin, begin + header.size()};
}

}  // namespace

bool HasNpyMagic(std::span<const std::byte> start) {
  return AsText(start).starts_with(kNpyMagic);
}

absl::StatusOr<std::size_t> NpyHeaderBytes(std::span<const std::byte> start) {
  if (start.size() < kNpyPreambleBytes || !HasNpyMagic(start)) {
    return absl::InvalidArgumentError("has no .npy header");
  }
  const auto byte_at = [&](std::size_t i) { return std::to_integer<std::size_t>(start[i]); };
  const std::size_t major = byte_at(6), minor = byte_at(7);
  if (major < 1 || major > 3 || minor != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat(".npy version is ", major, ".", minor, ", expected 1.0, 2.0 or 3.0"));
  }
  std::size_t header_bytes = kShortPreambleBytes + byte_at(8) + (byte_at(9) << 8);
  if (major >= 2) header_bytes += 2 + (byte_at(10) << 16) + (byte_at(11) << 24);
  if (header_bytes > kMaxNpyHeaderBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat(".npy header is ", header_bytes, " bytes long, expected at most ", kMaxNpyHeaderBytes));
  }
  return header_bytes;
}

absl::StatusOr<TensorSpec> ParseNpyHeader(std::span<const std::byte> header) {
  DCAC_ASSIGN_OR_RETURN(HeaderFields fields, ParseFields(header));
  const auto* descr =
      std::find_if(kDescrs.begin(), kDescrs.end(), [&](const Descr& d) { return d.name == *fields.descr; });
  if (descr == kDescrs.end()) {
    return absl::InvalidArgumentError(
        absl::StrCat("samples are '", Printable(*fields.descr, 16), "', expected little-endian numbers"));
  }
  if (*fields.fortran_order) std::reverse(fields.shape->begin(), fields.shape->end());
  TensorSpec spec{.dtype = descr->dtype, .shape = *std::move(fields.shape)};
  DCAC_RETURN_IF_ERROR(TensorBytes(spec).status());
  return spec;
}

absl::StatusOr<bool> IsNpyFortranOrder(std::span<const std::byte> header) {
  DCAC_ASSIGN_OR_RETURN(const HeaderFields fields, ParseFields(header));
  return *fields.fortran_order;
}

std::vector<std::byte> CanonicalNpyHeader(const TensorSpec& spec) {
  return NpyHeader(spec, /*fortran_order=*/false);
}

std::vector<std::byte> FortranNpyHeader(const TensorSpec& spec) {
  return NpyHeader(spec, /*fortran_order=*/true);
}

}  // namespace dcac::files
