// Input: choices of type, shape, layout and options, then samples.  What is encoded comes back, whole and in parts; the
// same input gives the same frame.
#include <algorithm>

#include "core/base/bytes.h"
#include "dcac/codec.h"
#include "tests/fuzz/fuzz.h"

namespace dcac {
namespace {

constexpr std::uint64_t kMaxSamples = 3000;

TensorSpec ChooseSpec(fuzz::Choices& choices) {
  TensorSpec spec;
  spec.dtype = AllDTypes()[choices.Below(AllDTypes().size())];
  spec.layout = AllLayouts()[choices.Below(AllLayouts().size())];
  std::uint64_t left = kMaxSamples;
  for (std::uint64_t rank = choices.Below(TensorSpec::kMaxRank + 1); rank > 0; --rank) {
    const std::uint64_t extent = std::min(choices.Below(70), left);
    spec.shape.push_back(extent);
    left /= std::max<std::uint64_t>(1, extent);
  }
  return spec;
}

EncodeOptions ChooseOptions(fuzz::Choices& choices) {
  EncodeOptions options;
  options.level = EncodeOptions::kMinLevel + static_cast<int>(choices.Below(EncodeOptions::kMaxLevel));
  options.mode = static_cast<Mode>(choices.Below(3));
  if (choices.Flag()) options.segment_bytes = EncodeOptions::kMinSegmentBytes + choices.Below(3000);
  if (choices.Flag()) options.max_references = static_cast<int>(choices.Below(17));
  if (choices.Flag()) options.window = static_cast<int>(choices.Below(20));
  options.similarity = static_cast<Similarity>(choices.Below(3));
  options.previous_item = choices.Flag();
  return options;
}

// The rest of the input, continued by itself with changes, so that a short input makes planes that are related.
Bytes ChooseData(fuzz::Choices& choices, std::size_t bytes) {
  const auto step = static_cast<std::uint8_t>(choices.Below(4) * choices.Below(256));
  const ByteSpan pattern = choices.rest();
  Bytes data(pattern.begin(), pattern.begin() + static_cast<std::ptrdiff_t>(std::min(pattern.size(), bytes)));
  const std::size_t period = data.size();
  while (data.size() < bytes) {
    const std::uint8_t earlier = period > 0 ? std::to_integer<std::uint8_t>(data[data.size() - period]) : 0;
    data.push_back(static_cast<std::byte>(earlier + step));
  }
  return data;
}

void CheckParts(const Bytes& frame, const Bytes& data) {
  const auto all = DecompressSlice(frame, {});
  if (data.empty()) return;  // no range of an axis without extent is valid
  DCAC_FUZZ_REQUIRE(all.ok());
  DCAC_FUZZ_REQUIRE(all->tensor.data == data);
  const auto item = DecompressSlice(frame, {.item_begin = 0, .item_end = 1});
  DCAC_FUZZ_REQUIRE(item.ok());
  DCAC_FUZZ_REQUIRE(std::equal(item->tensor.data.begin(), item->tensor.data.end(), data.begin()));
}

void Check(std::span<const std::byte> input) {
  fuzz::Choices choices(input);
  const TensorSpec spec = ChooseSpec(choices);
  const EncodeOptions options = ChooseOptions(choices);
  const auto bytes = TensorBytes(spec);
  if (!bytes.ok()) {
    DCAC_FUZZ_REQUIRE(Compress(spec, {}, options).status().code() == absl::StatusCode::kInvalidArgument);
    return;
  }
  const Bytes data = ChooseData(choices, static_cast<std::size_t>(*bytes));
  const auto frame = Compress(spec, data, options);
  fuzz::CountOutcome(frame.status());
  DCAC_FUZZ_REQUIRE(frame.ok());
  DCAC_FUZZ_REQUIRE(*frame == Compress(spec, data, options).value());
  const auto tensor = Decompress(*frame);
  DCAC_FUZZ_REQUIRE(tensor.ok());
  DCAC_FUZZ_REQUIRE(tensor->spec == spec);
  DCAC_FUZZ_REQUIRE(tensor->data == data);
  CheckParts(*frame, data);
}

}  // namespace
}  // namespace dcac

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  dcac::Check(dcac::fuzz::InputBytes(data, size));
  return 0;
}
