// The mutator of the target whose input is an archive.
#include <algorithm>
#include <optional>
#include <random>
#include <utility>

#include "core/base/bytes.h"
#include "tests/fuzz/frame_mutator.h"
#include "tests/fuzz/fuzz.h"
#include "tests/testing/archive_surgery.h"

namespace dcac::fuzz {
namespace {

void MutatePart(testing::LooseArchive& loose, std::size_t max_growth, std::minstd_rand& random) {
  std::vector<Bytes>& frames = loose.frames;
  const auto any_frame = [&] { return frames.begin() + static_cast<std::ptrdiff_t>(random() % frames.size()); };
  const std::uint_fast32_t way = random() % 16;
  if (way == 0) return Mutate(loose.fixed, 0);
  if (way < 8 && loose.table) return Mutate(*loose.table, max_growth);
  if (frames.empty()) return;
  if (way == 8) {
    std::iter_swap(any_frame(), any_frame());
  } else if (way == 9) {
    frames.erase(any_frame());
  } else if (way == 10) {
    const Bytes frame = *any_frame();
    if (frame.size() < max_growth) frames.insert(any_frame(), frame);
  } else {
    MutateFrame(*any_frame(), max_growth, random);
  }
}

// As it is, or a part of it with all sizes and checksums made right.
void MutateArchive(Bytes& archive, std::size_t max_growth, std::minstd_rand& random) {
  std::optional<testing::LooseArchive> loose = testing::TakeArchiveApart(archive);
  if (!loose || random() % 16 == 0) return Mutate(archive, max_growth);
  MutatePart(*loose, max_growth, random);
  Bytes result = testing::AssembleArchive(*loose);
  if (result.size() <= archive.size() + max_growth) archive = std::move(result);
}

}  // namespace
}  // namespace dcac::fuzz

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t max_size,
                                               unsigned int seed) {
  return dcac::fuzz::MutateInput(data, size, max_size, seed, dcac::fuzz::MutateArchive);
}
