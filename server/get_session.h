// The work of one Get call.
#ifndef DCAC_SERVER_GET_SESSION_H_
#define DCAC_SERVER_GET_SESSION_H_

#include <cstdint>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "dcac/v1/store.pb.h"
#include "proto/wire/digest_accumulator.h"
#include "server/chunk_queue.h"
#include "server/object_reader.h"
#include "server/session.h"
#include "server/store_context.h"

namespace dcac::server {

class GetSession final : public Session<v1::GetRequest, v1::GetResponse> {
 public:
  explicit GetSession(StoreContext context) : context_(std::move(context)) {}

  // Errors: those of ObjectReader::Open.
  absl::Status Accept(v1::GetRequest&& request) override;
  absl::Status AcceptEnd() override { return absl::OkStatus(); }
  // Errors: those of ObjectReader::Next.
  absl::Status Work() override;
  bool NextReply(v1::GetResponse* response) override;
  wire::SharedBytes TakeChunkData() override { return std::exchange(chunk_data_, {}); }
  std::uint64_t memory_bytes() const override;
  CallFacts facts() const override;
  bool idle() const override { return reader_ == nullptr || at_end_; }
  bool done() const override { return trailer_sent_; }

 private:
  const StoreContext context_;
  std::unique_ptr<ObjectReader> reader_;  // since the request
  OutputChunks output_;
  wire::SharedBytes chunk_data_;  // of the last reply
  wire::DigestAccumulator digest_;
  std::uint64_t returned_bytes_ = 0;
  bool start_sent_ = false;
  bool at_end_ = false;
  bool trailer_sent_ = false;
};

}  // namespace dcac::server

#endif  // DCAC_SERVER_GET_SESSION_H_
