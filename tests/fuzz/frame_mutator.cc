#include "tests/fuzz/frame_mutator.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "core/base/bytes.h"
#include "core/format/frame.h"
#include "tests/fuzz/fuzz.h"
#include "tests/testing/frame_surgery.h"

namespace dcac::fuzz {
namespace {

using testing::LooseFrame;

// The side information of a model segment, with its size made right again.
void MutateSide(Bytes& body, std::size_t max_growth) {
  constexpr std::size_t kHeadBytes = 2;  // method, layout id
  if (body.size() <= kHeadBytes || body[0] != static_cast<std::byte>(SegmentMethod::kModel))
    return Mutate(body, max_growth);
  const ByteSpan rest = ByteSpan(body).subspan(kHeadBytes);
  ByteReader reader(rest);
  std::uint64_t size = 0;
  if (!reader.ReadVarint("side size", size).ok() || size > reader.remaining()) return Mutate(body, max_growth);
  const std::size_t side_bytes = static_cast<std::size_t>(size);
  const ByteSpan side_span = rest.subspan(reader.position(), side_bytes);
  const ByteSpan after = rest.subspan(reader.position() + side_bytes);
  Bytes side(side_span.begin(), side_span.end());
  Mutate(side, max_growth);
  Bytes result(body.begin(), body.begin() + kHeadBytes);
  AppendVarint(side.size(), result);
  AppendBytes(side, result);
  AppendBytes(after, result);
  body = std::move(result);
}

void MutatePart(LooseFrame& loose, std::size_t max_growth, std::minstd_rand& random) {
  std::vector<Bytes>& bodies = loose.bodies;
  const auto any_body = [&] { return bodies.begin() + static_cast<std::ptrdiff_t>(random() % bodies.size()); };
  if (bodies.empty() || random() % 24 == 0) return Mutate(loose.header, max_growth);
  switch (random() % 16) {
    case 0:
      std::iter_swap(any_body(), any_body());
      break;
    case 1:
      bodies.erase(any_body());
      break;
    case 2: {
      const Bytes body = *any_body();
      if (body.size() < max_growth) bodies.insert(any_body(), body);
      break;
    }
    case 3:
    case 4:
    case 5:
    case 6:
    case 7:
    case 8:
      MutateSide(*any_body(), max_growth);
      break;
    default:
      Mutate(*any_body(), max_growth);
  }
}

void MutateTail(Bytes& frame) {
  constexpr std::size_t kMostBytes = 64;
  Bytes tail(frame.end() - static_cast<std::ptrdiff_t>(std::min(kMostBytes, frame.size())), frame.end());
  frame.resize(frame.size() - tail.size());
  Mutate(tail, 0);
  AppendBytes(tail, frame);
  testing::RepairTrailerChecksum(frame);
}

}  // namespace

void Mutate(Bytes& bytes, std::size_t max_growth) {
  const std::size_t size = bytes.size();
  bytes.resize(std::max<std::size_t>(1, size + max_growth));
  bytes.resize(LLVMFuzzerMutate(reinterpret_cast<std::uint8_t*>(bytes.data()), size, bytes.size()));
}

std::size_t MutateInput(std::uint8_t* data, std::size_t size, std::size_t max_size, unsigned int seed,
                        void (*mutate)(Bytes& input, std::size_t max_growth, std::minstd_rand& random)) {
  const ByteSpan before = InputBytes(data, size);
  Bytes input(before.begin(), before.end());
  std::minstd_rand random(seed);
  mutate(input, max_size - size, random);
  input.resize(std::min(input.size(), max_size));
  std::copy(input.begin(), input.end(), reinterpret_cast<std::byte*>(data));
  return input.size();
}

void MutateFrame(Bytes& frame, std::size_t max_growth, std::minstd_rand& random) {
  const std::uint_fast32_t way = random() % 32;
  if (way != 2 && way < 4) Mutate(frame, max_growth);
  if (way == 2) MutateTail(frame);
  if (way < 3) return;
  std::optional<LooseFrame> loose = testing::TakeApart(frame);
  if (!loose) return;
  if (way >= 4) MutatePart(*loose, max_growth, random);
  Bytes result = testing::AssembleFrame(loose->header, loose->bodies, loose->digest);
  if (result.size() <= frame.size() + max_growth) frame = std::move(result);
}

}  // namespace dcac::fuzz
