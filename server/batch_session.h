// The work of one BatchCompress stream.
#ifndef DCAC_SERVER_BATCH_SESSION_H_
#define DCAC_SERVER_BATCH_SESSION_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "dcac/v1/compression.pb.h"
#include "proto/wire/limits.h"
#include "server/limits.h"
#include "server/session.h"

namespace dcac::server {

// Compresses what has arrived in parallel, an item by one thread.
class BatchSession final : public Session<v1::BatchCompressRequest, v1::BatchCompressResponse> {
 public:
  explicit BatchSession(const Limits& limits) : limits_(limits) {}

  absl::Status Accept(v1::BatchCompressRequest&& request) override;
  absl::Status AcceptEnd() override;
  // Errors: Cancelled.  What is wrong with an item is told in its reply.
  absl::Status Work() override;
  bool NextReply(v1::BatchCompressResponse* response) override;
  std::uint64_t memory_bytes() const override;
  CallFacts facts() const override { return facts_; }
  std::size_t max_requests_at_once() const override { return wire::kMaxUnansweredChunks; }
  std::size_t max_replies_in_flight() const override { return kMaxItemRepliesInFlight; }
  bool idle() const override { return items_.empty(); }
  bool done() const override { return ended_; }

 private:
  const Limits limits_;
  std::vector<v1::BatchCompressRequest> items_;
  std::vector<v1::BatchCompressResponse> replies_;  // of those that were worked off
  std::size_t next_reply_ = 0;
  CallFacts facts_;  // of all items together
  bool ended_ = false;
};

}  // namespace dcac::server

#endif  // DCAC_SERVER_BATCH_SESSION_H_
