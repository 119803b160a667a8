#include "core/codec/frequent_samples.h"

#include <algorithm>

#include "core/base/bytes.h"

namespace dcac {
namespace {

constexpr size_t kFirstLook = 512, kSecondLook = 4096;
constexpr size_t kMinFirstCount = 4;  // in the first look

template <int kBytes>
std::vector<uint32_t> SpreadOf(const std::vector<const std::byte*>& planes, size_t plane_samples, size_t limit) {
  std::vector<uint32_t> result;
  result.reserve(limit);
  VisitSpread(planes, plane_samples, kBytes, limit, [&](const std::byte* sample) {
    result.push_back(static_cast<uint32_t>(LoadLittleEndian(sample, kBytes)));
  });
  return result;
}

std::vector<uint32_t> Spread(const std::vector<const std::byte*>& planes, size_t plane_samples, size_t sample_bytes,
                             size_t limit) {
  return sample_bytes == 2 ? SpreadOf<2>(planes, plane_samples, limit) : SpreadOf<4>(planes, plane_samples, limit);
}

}  // namespace

FrequentSamples FindFrequentSamples(const std::vector<const std::byte*>& planes, size_t plane_samples,
                                    size_t sample_bytes, absl::FunctionRef<int(uint32_t)> fine_bits) {
  FrequentSamples result;
  std::vector<uint32_t> first = Spread(planes, plane_samples, sample_bytes, kFirstLook);
  std::sort(first.begin(), first.end());
  for (auto begin = first.begin(); begin != first.end();) {
    const auto end = std::find_if(begin, first.end(), [&](uint32_t sample) { return sample != *begin; });
    if (static_cast<size_t>(end - begin) >= kMinFirstCount) result.samples.push_back({*begin, 0});
    begin = end;
  }
  if (result.samples.empty()) return result;
  const std::vector<uint32_t> second = Spread(planes, plane_samples, sample_bytes, kSecondLook);
  result.total = second.size();
  for (FrequentSample& frequent : result.samples) {
    const int fine = fine_bits(frequent.sample);
    uint32_t same = 0, alike = 0;  // as wide as samples, for vectors
    for (uint32_t sample : second) {
      same += sample == frequent.sample ? 1 : 0;
      alike += (sample ^ frequent.sample) >> fine == 0 ? 1 : 0;
    }
    frequent.count = same;
    frequent.neighbours = alike - same;
  }
  std::stable_sort(result.samples.begin(), result.samples.end(),
                   [](const FrequentSample& a, const FrequentSample& b) { return a.count > b.count; });
  return result;
}

}  // namespace dcac
