#include "core/codec/segment_account.h"

#include <algorithm>
#include <cstdlib>

namespace dcac {
namespace {

constexpr double kTermWeightOne = 128;

}  // namespace

std::vector<ReferenceAccount> ReferencesOf(const PlaneSet& set, const PlaneModel& model) {
  std::vector<ReferenceAccount> references;
  for (int plane : model.references) references.push_back({set.planes[static_cast<size_t>(plane)], 0, 0});
  for (const Term& term : model.terms) {
    if (!term.refers()) continue;
    const auto at = std::find(model.references.begin(), model.references.end(), term.plane);
    ReferenceAccount& reference = references[static_cast<size_t>(at - model.references.begin())];
    if (term.kind == TermKind::kInnovation) reference.weight += term.weight / kTermWeightOne;
    reference.strength += std::abs(term.weight) / kTermWeightOne;
  }
  return references;
}

void AddSampleCounts(const SampleCounts& from, SampleCounts& to) {
  for (size_t coding = 0; coding < kNumSampleCodings; ++coding) {
    to[coding].samples += from[coding].samples;
    to[coding].bits += from[coding].bits;
  }
}

void AccountForPlaneCodings(const std::vector<PlaneCoding>& codings, SegmentAccount& account) {
  account.planes.resize(codings.size());
  for (size_t p = 0; p < codings.size(); ++p) {
    const PlaneCoding& coding = codings[p];
    account.planes[p].kind = coding.kind;
    if (coding.kind == PlaneKind::kDifference || coding.kind == PlaneKind::kDuplicate)
      account.planes[p].references.push_back({coding.source, 1, 1});
  }
}

void AccountForSet(const PlaneSet& set, const SetAccount& set_account,
                   const std::vector<std::vector<ReferenceAccount>>& references, SegmentAccount& account) {
  for (size_t i = 0; i < set.planes.size(); ++i) {
    PlaneAccount& plane = account.planes[static_cast<size_t>(set.planes[i])];
    plane.bits += set_account.plane_bits[i];
    plane.references.insert(plane.references.end(), references[i].begin(), references[i].end());
  }
  AddSampleCounts(set_account.samples, account.samples);
}

void AccountForSet(const ModelledSet& modelled, const SetAccount& set_account, SegmentAccount& account) {
  std::vector<std::vector<ReferenceAccount>> references;
  for (const PlaneModel& plane : modelled.model.planes) references.push_back(ReferencesOf(modelled.set, plane));
  AccountForSet(modelled.set, set_account, references, account);
}

}  // namespace dcac
