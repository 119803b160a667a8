#include "core/codec/repeats.h"

#include <algorithm>
#include <cstring>
#include <numeric>

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "core/codec/segment_samples.h"

namespace dcac {
namespace {

// Planes that are upsampled by 8 have runs of 7.
constexpr size_t kMinRun = 8;
constexpr int kMinShare = 16;            // of an axis that is left out, as a divisor
constexpr int kMinExtent = 16;           // of both axes, for margins to be looked for
constexpr size_t kMinKeptSamples = 256;  // of a plane: what is left should be no other kind of planes

int CountRepeats(const std::vector<RepeatRun>& runs) {
  return std::accumulate(runs.begin(), runs.end(), 0, [](int sum, const RepeatRun& run) { return sum + run.count; });
}

// Ascending indices as runs, if there are few of them.
std::vector<RepeatRun> FewRuns(const std::vector<int>& indices) {
  std::vector<RepeatRun> runs;
  for (int i : indices) {
    if (runs.empty() || runs.back().begin + runs.back().count != i) runs.push_back({i, 0});
    ++runs.back().count;
  }
  if (runs.size() > kMaxRepeatRuns) runs.clear();
  return runs;
}

// Those of 1 .. extent - 1 that may be repeats, from which questions take out more and more.
class Candidates {
 public:
  explicit Candidates(int extent) : extent_(extent), indices_(static_cast<size_t>(extent - 1)) {
    std::iota(indices_.begin(), indices_.end(), 1);
  }

  // Keeps those that repeat the one before, in long runs; false: there are not enough any more.
  template <typename IsRepeat>
  bool Keep(IsRepeat is_repeat) {
    size_t kept = 0, run = 0;
    const auto end_run = [&] {
      if (run < kMinRun) kept -= run;
      run = 0;
    };
    for (int i : indices_) {
      if (!is_repeat(static_cast<size_t>(i))) continue;
      if (run > 0 && indices_[kept - 1] != i - 1) end_run();
      indices_[kept++] = i;
      ++run;
    }
    end_run();
    indices_.resize(kept);
    return kept >= std::max(kMinRun, static_cast<size_t>(extent_ / kMinShare));
  }

  std::vector<RepeatRun> Runs() const { return FewRuns(indices_); }

 private:
  int extent_;
  std::vector<int> indices_;
};

std::vector<RepeatRun> FindRows(const SegmentSamples& samples) {
  const SegmentShape& shape = samples.shape();
  const size_t row_bytes = static_cast<size_t>(shape.width) * SampleBytes(shape.dtype);
  Candidates rows(shape.height);
  for (size_t p = 0; p < samples.num_planes(); ++p) {
    const std::byte* const plane = samples.plane(p).data();
    const auto repeats = [&](size_t y) {
      return std::memcmp(plane + y * row_bytes, plane + (y - 1) * row_bytes, row_bytes) == 0;
    };
    if (!rows.Keep(repeats)) return {};
  }
  return rows.Runs();
}

template <size_t kBytes>
std::vector<RepeatRun> FindColumns(const SegmentSamples& samples) {
  const SegmentShape& shape = samples.shape();
  const size_t row_bytes = static_cast<size_t>(shape.width) * kBytes;
  Candidates columns(shape.width);
  for (size_t p = 0; p < samples.num_planes(); ++p) {
    const std::byte* row = samples.plane(p).data();
    for (int y = 0; y < shape.height; ++y, row += row_bytes) {
      if (std::memcmp(row, row + kBytes, row_bytes - kBytes) == 0) continue;  // rows of one value tell nothing
      const auto repeats = [&](size_t x) { return std::memcmp(row + x * kBytes, row + (x - 1) * kBytes, kBytes) == 0; };
      if (!columns.Keep(repeats)) return {};
    }
  }
  return columns.Runs();
}

std::vector<RepeatRun> FindColumns(const SegmentSamples& samples) {
  switch (SampleBytes(samples.shape().dtype)) {
    case 1:
      return FindColumns<1>(samples);
    case 2:
      return FindColumns<2>(samples);
    case 4:
      return FindColumns<4>(samples);
    case 8:
      return FindColumns<8>(samples);
    default:
      return FindColumns<16>(samples);
  }
}

// The parts of an axis that are kept, each with how often its last one follows again.
struct KeptPart {
  size_t begin = 0, count = 0, repeated = 0;
};

std::vector<KeptPart> KeptParts(const std::vector<RepeatRun>& runs, int extent) {
  std::vector<KeptPart> parts;
  size_t begin = 0;
  for (const RepeatRun& run : runs) {
    const size_t end = static_cast<size_t>(run.begin), count = static_cast<size_t>(run.count);
    parts.push_back({begin, end - begin, count});
    begin = end + count;
  }
  if (begin < static_cast<size_t>(extent)) parts.push_back({begin, static_cast<size_t>(extent) - begin, 0});
  return parts;
}

// `count` times the `size` bytes before `to`; moves it behind them.
void Repeat(size_t size, size_t count, std::byte*& to) {
  for (size_t i = 0; i < count; ++i, to += size) std::memcpy(to, to - size, size);
}

absl::Status ReadRuns(ByteReader& reader, const char* what, int extent, std::vector<RepeatRun>& runs) {
  uint64_t count = 0;
  DCAC_RETURN_IF_ERROR(reader.ReadVarint(what, count));
  if (count > kMaxRepeatRuns) {
    return absl::DataLossError(absl::StrCat(count, " runs of ", what, ", expected at most ", kMaxRepeatRuns));
  }
  uint64_t begin = 0;
  for (uint64_t i = 0; i < count; ++i) {
    uint64_t kept = 0, repeated = 0;
    DCAC_RETURN_IF_ERROR(reader.ReadVarint(what, kept));
    DCAC_RETURN_IF_ERROR(reader.ReadVarint(what, repeated));
    const uint64_t left = static_cast<uint64_t>(extent) - begin;
    if (kept == 0 || repeated == 0 || kept > left || repeated > left - kept) {
      return absl::DataLossError(
          absl::StrCat("a run of ", repeated, " ", what, " after ", kept, " others, where ", left, " are left"));
    }
    runs.push_back({static_cast<int>(begin + kept), static_cast<int>(repeated)});
    begin += kept + repeated;
  }
  return absl::OkStatus();
}

}  // namespace

Repeats FindRepeats(const SegmentSamples& samples) {
  const SegmentShape& shape = samples.shape();
  if (shape.in_token_order() || std::min(shape.height, shape.width) < kMinExtent) return {};
  Repeats repeats{FindRows(samples), FindColumns(samples)};
  if (WithoutRepeats(shape, repeats).plane_samples() < kMinKeptSamples) return {};
  return repeats;
}

SegmentShape WithoutRepeats(SegmentShape shape, const Repeats& repeats) {
  shape.height -= CountRepeats(repeats.rows);
  shape.width -= CountRepeats(repeats.columns);
  return shape;
}

void LeaveOutRepeats(const SegmentSamples& samples, const Repeats& repeats, std::span<std::byte> kept) {
  const SegmentShape& shape = samples.shape();
  const size_t bytes = SampleBytes(shape.dtype), row_bytes = static_cast<size_t>(shape.width) * bytes;
  const std::vector<KeptPart> rows = KeptParts(repeats.rows, shape.height);
  const std::vector<KeptPart> columns = KeptParts(repeats.columns, shape.width);
  std::byte* to = kept.data();
  for (size_t p = 0; p < samples.num_planes(); ++p) {
    const std::byte* const plane = samples.plane(p).data();
    for (const KeptPart& of_rows : rows) {
      for (size_t y = of_rows.begin; y < of_rows.begin + of_rows.count; ++y) {
        for (const KeptPart& part : columns) {
          std::memcpy(to, plane + y * row_bytes + part.begin * bytes, part.count * bytes);
          to += part.count * bytes;
        }
      }
    }
  }
}

void PutBackRepeats(const SegmentShape& shape, const Repeats& repeats, ByteSpan kept, std::span<std::byte> packed) {
  const size_t bytes = SampleBytes(shape.dtype), row_bytes = static_cast<size_t>(shape.width) * bytes;
  const std::vector<KeptPart> rows = KeptParts(repeats.rows, shape.height);
  const std::vector<KeptPart> columns = KeptParts(repeats.columns, shape.width);
  const std::byte* from = kept.data();
  std::byte* to = packed.data();
  for (int p = 0; p < shape.all_planes(); ++p) {
    for (const KeptPart& of_rows : rows) {
      for (size_t y = 0; y < of_rows.count; ++y) {
        for (const KeptPart& part : columns) {
          std::memcpy(to, from, part.count * bytes);
          from += part.count * bytes;
          to += part.count * bytes;
          Repeat(bytes, part.repeated, to);
        }
      }
      Repeat(row_bytes, of_rows.repeated, to);
    }
  }
}

void AppendRepeats(const Repeats& repeats, Bytes& out) {
  for (const std::vector<RepeatRun>* runs : {&repeats.rows, &repeats.columns}) {
    AppendVarint(runs->size(), out);
    int end = 0;
    for (const RepeatRun& run : *runs) {
      AppendVarint(static_cast<uint64_t>(run.begin - end), out);
      AppendVarint(static_cast<uint64_t>(run.count), out);
      end = run.begin + run.count;
    }
  }
}

absl::Status ReadRepeats(ByteReader& reader, const SegmentShape& shape, Repeats& repeats) {
  if (shape.in_token_order()) return absl::DataLossError("repeats in a segment of tokens");
  DCAC_RETURN_IF_ERROR(ReadRuns(reader, "repeated rows", shape.height, repeats.rows));
  DCAC_RETURN_IF_ERROR(ReadRuns(reader, "repeated columns", shape.width, repeats.columns));
  if (repeats.empty()) return absl::DataLossError("a segment of repeats without any");
  return absl::OkStatus();
}

}  // namespace dcac
