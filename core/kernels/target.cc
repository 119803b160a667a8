#include "core/kernels/target.h"

#include <cstdlib>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "hwy/highway.h"

namespace dcac {
namespace {

// Targets of the CPU, whatever was forced.
int64_t TargetsOfCpu() {
  static const int64_t targets = [] {
    hwy::SetSupportedTargetsForTest(0);
    const int64_t supported = hwy::SupportedTargets() & HWY_TARGETS;
    return supported | HWY_STATIC_TARGET;
  }();
  return targets;
}

// Highway's target of last resort has two names, by compiler; kernels use plain loops there.
std::string_view NameOf(int64_t target) {
  return target == HWY_EMU128 ? "SCALAR" : hwy::TargetName(target);
}

std::vector<int64_t> SplitTargets(int64_t targets) {
  std::vector<int64_t> each;
  for (; targets != 0; targets &= targets - 1) each.push_back(targets & -targets);
  return each;
}

absl::Status Choose(std::string_view name) {
  if (name.empty()) {
    hwy::SetSupportedTargetsForTest(0);
    hwy::GetChosenTarget().Update(hwy::SupportedTargets());
    return absl::OkStatus();
  }
  for (int64_t target : SplitTargets(TargetsOfCpu())) {
    if (NameOf(target) != name) continue;
    hwy::SetSupportedTargetsForTest(target);
    hwy::GetChosenTarget().Update(target);
    return absl::OkStatus();
  }
  const std::vector<std::string_view> supported = SupportedTargets();
  const std::vector<std::string> names(supported.begin(), supported.end());
  return absl::InvalidArgumentError(
      absl::StrCat("SIMD target '", std::string(name), "', expected one of ", absl::StrJoin(names, ", ")));
}

absl::Status ObeyEnvironment() {
  const char* name = std::getenv("DCAC_TARGET");
  const absl::Status status = Choose(name == nullptr ? "" : name);
  return status.ok() ? status : absl::InvalidArgumentError(absl::StrCat("DCAC_TARGET: ", status.message()));
}

}  // namespace

std::vector<std::string_view> SupportedTargets() {
  std::vector<std::string_view> names;
  for (int64_t target : SplitTargets(TargetsOfCpu())) names.push_back(NameOf(target));
  return names;
}

std::string_view ActiveTarget() {
  TargetStatus().IgnoreError();
  const int64_t targets = hwy::SupportedTargets() & HWY_TARGETS;
  return targets == 0 ? NameOf(HWY_STATIC_TARGET) : NameOf(targets & -targets);
}

absl::Status ForceTarget(std::string_view name) {
  TargetStatus().IgnoreError();  // or the environment would be obeyed after this
  return Choose(name);
}

absl::Status TargetStatus() {
  static const absl::Status status = ObeyEnvironment();
  return status;
}

}  // namespace dcac
