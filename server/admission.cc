#include "server/admission.h"

#include "absl/strings/str_cat.h"

namespace dcac::server {

absl::StatusOr<Admission::Ticket> Admission::Enter() {
  const std::uint64_t others = open_streams_.fetch_add(1);
  Ticket ticket(*this);
  if (others >= max_streams_) {
    return absl::ResourceExhaustedError(absl::StrCat("all ", max_streams_, " streams are in use; try again later"));
  }
  return ticket;
}

}  // namespace dcac::server
