#include "server/get_session.h"

#include <algorithm>
#include <optional>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "proto/wire/convert.h"
#include "server/limits.h"

namespace dcac::server {

absl::Status GetSession::Accept(v1::GetRequest&& request) {
  DCAC_ASSIGN_OR_RETURN(reader_, ObjectReader::Open(request, context_, control()));
  return absl::OkStatus();
}

absl::Status GetSession::Work() {
  DCAC_ASSIGN_OR_RETURN(std::vector<std::byte> bytes, reader_->Next());
  at_end_ = bytes.empty();
  if (at_end_ && returned_bytes_ != reader_->returned_bytes()) {
    return absl::DataLossError(
        absl::StrCat("the object gave ", returned_bytes_, " bytes, expected ", reader_->returned_bytes()));
  }
  digest_.Update(bytes);
  returned_bytes_ += bytes.size();
  output_.Set(std::move(bytes));
  return absl::OkStatus();
}

bool GetSession::NextReply(v1::GetResponse* response) {
  if (reader_ == nullptr) return false;
  if (!start_sent_) {
    v1::GetStart* const start = response->mutable_start();
    *start->mutable_object() = reader_->object();
    if (reader_->spec() != nullptr) wire::ToProto(*reader_->spec(), start->mutable_spec());
    start->set_returned_bytes(reader_->returned_bytes());
    start_sent_ = true;
  } else if (!output_.empty()) {
    chunk_data_ = output_.Next(response->mutable_chunk());
  } else if (at_end_ && !trailer_sent_) {
    v1::GetTrailer* const trailer = response->mutable_trailer();
    trailer->set_digest(wire::ToProto(digest_.Get()));
    trailer->set_returned_bytes(returned_bytes_);
    trailer->set_decoded_segments(reader_->decoded_segments());
    trailer->set_read_bytes(reader_->read_bytes());
    trailer_sent_ = true;
  } else {
    return false;
  }
  return true;
}

std::uint64_t GetSession::memory_bytes() const {
  return reader_ == nullptr ? 0
                            : reader_->memory_bytes() + std::min(reader_->returned_bytes(), kMaxOutputBytesInFlight);
}

CallFacts GetSession::facts() const {
  if (reader_ == nullptr) return {};
  CallFacts facts{.raw_bytes = reader_->object().raw_bytes(), .stored_bytes = reader_->object().stored_bytes()};
  const absl::StatusOr<TensorSpec> spec = wire::FromProto(reader_->object().spec());
  if (spec.ok()) facts.dtype = spec->dtype;
  return facts;
}

}  // namespace dcac::server
