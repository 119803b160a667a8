#include "server/admission.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "proto/wire/retry_info.h"

namespace dcac::server {
namespace {

using std::chrono::milliseconds;

// Who is first in line is to come back soon, the others later; who does not come back holds up the others no longer
// than the grace.
constexpr milliseconds kRetryDelay{20};
constexpr milliseconds kMaxRetryDelay{1000};
constexpr milliseconds kGrace{250};

// More callers than these are refused without a place.
constexpr std::size_t kMaxPlacesOfTenant = 256;
constexpr std::size_t kMaxPlaces = 4096;

}  // namespace

Admission::Ticket::~Ticket() {
  if (admission_ == nullptr) return;
  const std::lock_guard lock(admission_->mutex_);
  admission_->held_bytes_ -= held_bytes_;
  --admission_->open_calls_;
  Tenant& tenant = admission_->tenants_[caller_.tenant];
  tenant.held_bytes -= held_bytes_;
  --tenant.open_calls;
  admission_->DropIfIdle(caller_.tenant);
}

absl::Status Admission::Ticket::Hold(std::uint64_t bytes) {
  if (bytes <= held_bytes_) return absl::OkStatus();
  const std::lock_guard lock(admission_->mutex_);
  DCAC_RETURN_IF_ERROR(admission_->Grow(caller_, held_bytes_, bytes));
  held_bytes_ = bytes;
  return absl::OkStatus();
}

absl::StatusOr<Admission::Ticket> Admission::Enter(Caller caller) {
  const std::lock_guard lock(mutex_);
  DropExpiredPlaces();
  const auto place = FindPlace(caller);
  const auto ahead = std::count_if(line_.begin(), place, [](const Place& other) { return other.bytes == 0; });
  if (open_calls_ + static_cast<std::uint64_t>(ahead) >= limits_.max_calls) {
    return Refuse(caller, 0, absl::StrCat("all ", limits_.max_calls, " calls are in use"));
  }
  if (place != line_.end() && place->bytes == 0) DropPlace(place);
  return Open(std::move(caller));
}

Admission::Ticket Admission::EnterInAnyCase(Caller caller) {
  const std::lock_guard lock(mutex_);
  return Open(std::move(caller));
}

Admission::Ticket Admission::Open(Caller caller) {
  ++open_calls_;
  ++tenants_[caller.tenant].open_calls;
  return Ticket(*this, std::move(caller));
}

absl::Status Admission::Grow(const Caller& caller, std::uint64_t from, std::uint64_t to) {
  if (to > limits_.budget_bytes) {
    return absl::ResourceExhaustedError(
        absl::StrCat("the call needs ", to, " bytes of memory, the budget of all calls is ", limits_.budget_bytes));
  }
  DropExpiredPlaces();
  if (!HasRoom(caller, from, to)) {
    return Refuse(caller, to, absl::StrCat(held_bytes_, " of ", limits_.budget_bytes, " bytes of memory are in use"));
  }
  held_bytes_ += to - from;
  tenants_[caller.tenant].held_bytes += to - from;
  // Until it holds all that it was refused, it may be refused again, and then should not stand at the end.
  if (const auto place = FindPlace(caller); place != line_.end() && place->bytes <= to) DropPlace(place);
  return absl::OkStatus();
}

bool Admission::HasRoom(const Caller& caller, std::uint64_t from, std::uint64_t to) const {
  const std::uint64_t more = to - from;
  if (held_bytes_ + more > limits_.budget_bytes) return false;
  if (line_.empty()) return true;
  const std::uint64_t held = tenants_.at(caller.tenant).held_bytes;
  // Whoever holds nothing gets something in its turn, however small the parts are.
  if (held > from && held + more > ShareBytes()) return false;
  return held_bytes_ + BytesAhead(caller) + more <= limits_.budget_bytes;
}

// What those that came before `caller` were refused, as far as they have a right to it.
std::uint64_t Admission::BytesAhead(const Caller& caller) const {
  std::map<std::string_view, std::uint64_t> wanted;
  for (const Place& place : line_) {
    if (place.caller == caller) break;
    wanted[place.caller.tenant] += place.bytes;
  }
  std::uint64_t sum = 0;
  const std::uint64_t share = ShareBytes();
  for (const auto& [name, bytes] : wanted) {
    const Tenant& tenant = tenants_.at(std::string(name));
    const std::uint64_t left = share - std::min(share, tenant.held_bytes);
    sum += name == caller.tenant ? bytes : std::min(bytes, left);
  }
  return sum;
}

std::uint64_t Admission::ShareBytes() const {
  return limits_.budget_bytes / std::max<std::size_t>(1, tenants_.size());
}

absl::Status Admission::Refuse(const Caller& caller, std::uint64_t bytes, std::string_view what) {
  auto place = FindPlace(caller);
  if (place == line_.end() && line_.size() < kMaxPlaces && tenants_[caller.tenant].places < kMaxPlacesOfTenant) {
    place = line_.insert(line_.end(), {.caller = caller});
    ++tenants_[caller.tenant].places;
  }
  const auto ahead = static_cast<int>(std::distance(line_.begin(), place));
  const milliseconds delay = std::min(kRetryDelay * (1 + ahead), kMaxRetryDelay);
  if (place != line_.end()) {
    place->bytes = bytes;
    place->expiry = clock_() + delay + kGrace;
  }
  DropIfIdle(caller.tenant);
  return wire::WithRetryDelay(
      absl::ResourceExhaustedError(absl::StrCat(absl::string_view(what.data(), what.size()), "; try again later")),
      delay);
}

void Admission::DropPlace(std::list<Place>::iterator place) {
  const std::string tenant = place->caller.tenant;
  --tenants_[tenant].places;
  line_.erase(place);
  DropIfIdle(tenant);
}

void Admission::DropExpiredPlaces() {
  const auto now = clock_();
  for (auto place = line_.begin(); place != line_.end();) {
    const auto next = std::next(place);
    if (place->expiry < now) DropPlace(place);
    place = next;
  }
}

void Admission::DropIfIdle(const std::string& tenant) {
  const auto found = tenants_.find(tenant);
  if (found != tenants_.end() && found->second.open_calls == 0 && found->second.places == 0) tenants_.erase(found);
}

std::list<Admission::Place>::iterator Admission::FindPlace(const Caller& caller) {
  return std::ranges::find(line_, caller, &Place::caller);
}

void Admission::SetLimits(const AdmissionLimits& limits) {
  const std::lock_guard lock(mutex_);
  limits_ = limits;
}

AdmissionLimits Admission::limits() const {
  const std::lock_guard lock(mutex_);
  return limits_;
}

std::uint64_t Admission::held_bytes() const {
  const std::lock_guard lock(mutex_);
  return held_bytes_;
}
std::uint64_t Admission::open_calls() const {
  const std::lock_guard lock(mutex_);
  return open_calls_;
}
std::size_t Admission::waiting_callers() const {
  const std::lock_guard lock(mutex_);
  return line_.size();
}

}  // namespace dcac::server
