#include "client/cli/bench/figures.h"

#include <algorithm>
#include <cmath>
#include <functional>

#include "client/cli/file_run.h"

namespace dcac::cli {
namespace {

// A file and what was measured on it of the codec that is summarised.
struct Member {
  const FileFigures* file;
  const CodecFigures* codec;
};

double MedianOf(const std::vector<Member>& members, const std::function<double(const Member&)>& figure) {
  std::vector<double> values;
  for (const Member& member : members) values.push_back(figure(member));
  return Median(std::move(values));
}

std::optional<PhaseSeconds> MeanPhases(const std::vector<Member>& members, DirectionFigures CodecFigures::*direction) {
  PhaseSeconds mean{};
  for (const Member& member : members) {
    const std::optional<PhaseSeconds>& phases = (member.codec->*direction).phases;
    if (!phases) return std::nullopt;
    for (std::size_t i = 0; i < kNumPhases; ++i) mean[i] += (*phases)[i] / static_cast<double>(members.size());
  }
  return mean;
}

// The members are of one type and one codec.
GroupFigures SummarizeGroup(const std::vector<Member>& members) {
  const Member& first = members.front();
  GroupFigures group;
  group.dtype = first.file->spec.dtype;
  group.codec = first.codec->codec;
  group.is_peer = first.codec->is_peer;
  group.files = members.size();
  group.target = first.file->target;
  double log_sum = 0;
  for (const Member& m : members) {
    group.raw_bytes += m.file->raw_bytes;
    log_sum += std::log(Ratio(m.file->raw_bytes, m.codec->compressed_bytes));
  }
  group.ratio = std::exp(log_sum / static_cast<double>(members.size()));
  group.compress_mb_per_s = MedianOf(
      members, [](const Member& m) { return MegabytesPerSecond(m.file->raw_bytes, m.codec->compress.median_seconds); });
  group.decompress_mb_per_s = MedianOf(members, [](const Member& m) {
    return MegabytesPerSecond(m.file->raw_bytes, m.codec->decompress.median_seconds);
  });
  group.relative = RelativeSpeeds(*first.file, *first.codec);
  for (std::size_t peer = 0; peer < group.relative.size(); ++peer) {
    group.relative[peer].compress =
        MedianOf(members, [peer](const Member& m) { return RelativeSpeeds(*m.file, *m.codec)[peer].compress; });
    group.relative[peer].decompress =
        MedianOf(members, [peer](const Member& m) { return RelativeSpeeds(*m.file, *m.codec)[peer].decompress; });
  }
  group.compress_phases = MeanPhases(members, &CodecFigures::compress);
  group.decompress_phases = MeanPhases(members, &CodecFigures::decompress);
  return group;
}

}  // namespace

std::vector<RelativeSpeed> RelativeSpeeds(const FileFigures& file, const CodecFigures& codec) {
  std::vector<RelativeSpeed> relative;
  for (const CodecFigures& peer : file.codecs) {
    if (!peer.is_peer) continue;
    relative.push_back({.peer = peer.codec,
                        .compress = peer.compress.median_seconds / codec.compress.median_seconds,
                        .decompress = peer.decompress.median_seconds / codec.decompress.median_seconds});
  }
  return relative;
}

std::vector<GroupFigures> SummarizeFiles(const std::vector<FileFigures>& files) {
  std::vector<std::vector<Member>> groups;
  for (const FileFigures& file : files) {
    for (const CodecFigures& codec : file.codecs) {
      const auto is_of_group = [&](const std::vector<Member>& group) {
        return group.front().file->spec.dtype == file.spec.dtype && group.front().codec->codec == codec.codec;
      };
      const auto found = std::find_if(groups.begin(), groups.end(), is_of_group);
      auto& group = found != groups.end() ? *found : groups.emplace_back();
      group.push_back({&file, &codec});
    }
  }
  std::vector<GroupFigures> summary;
  for (const auto& group : groups) summary.push_back(SummarizeGroup(group));
  return summary;
}

double Median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  return (values[(values.size() - 1) / 2] + values[values.size() / 2]) / 2;
}

}  // namespace dcac::cli
