// The work of BatchPut and BatchGet: many small objects in one call, what is wrong with one told in its reply.
#ifndef DCAC_SERVER_BATCH_STORE_SESSIONS_H_
#define DCAC_SERVER_BATCH_STORE_SESSIONS_H_

#include <cstddef>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "dcac/v1/store.pb.h"
#include "server/session.h"
#include "server/store_context.h"

namespace dcac::server {

class BatchPutSession final : public Session<v1::BatchPutRequest, v1::BatchPutResponse> {
 public:
  explicit BatchPutSession(StoreContext context) : context_(std::move(context)) {}

  absl::Status Accept(v1::BatchPutRequest&& request) override;
  absl::Status AcceptEnd() override;
  // Errors: Cancelled.
  absl::Status Work() override;
  bool NextReply(v1::BatchPutResponse* response) override;
  std::uint64_t memory_bytes() const override;
  CallFacts facts() const override { return facts_; }
  std::size_t max_requests_at_once() const override { return kMaxItemRepliesInFlight; }
  std::size_t max_replies_in_flight() const override { return kMaxItemRepliesInFlight; }
  bool idle() const override { return items_.empty(); }
  bool done() const override { return ended_ && items_.empty() && next_reply_ == replies_.size(); }

 private:
  const StoreContext context_;
  std::vector<v1::BatchPutRequest> items_;  // that wait
  std::vector<v1::BatchPutResponse> replies_;
  std::size_t next_reply_ = 0;
  bool ended_ = false;
  CallFacts facts_;
};

class BatchGetSession final : public Session<v1::BatchGetRequest, v1::BatchGetResponse> {
 public:
  explicit BatchGetSession(StoreContext context) : context_(std::move(context)) {}

  // Errors: InvalidArgument (too many keys).
  absl::Status Accept(v1::BatchGetRequest&& request) override;
  absl::Status AcceptEnd() override { return absl::OkStatus(); }
  // Errors: Cancelled.
  absl::Status Work() override;
  bool NextReply(v1::BatchGetResponse* response) override;
  std::uint64_t memory_bytes() const override;
  CallFacts facts() const override { return facts_; }
  std::size_t max_replies_in_flight() const override { return kMaxItemRepliesInFlight; }
  bool idle() const override { return !accepted_ || next_key_ == static_cast<std::size_t>(request_.keys_size()); }
  bool done() const override { return accepted_ && idle() && next_reply_ == replies_.size(); }

 private:
  absl::Status Read(const std::string& key, v1::BatchGetResponse* reply);

  const StoreContext context_;
  v1::BatchGetRequest request_;
  bool accepted_ = false;
  std::size_t next_key_ = 0;
  std::vector<v1::BatchGetResponse> replies_;
  std::size_t next_reply_ = 0;
  CallFacts facts_;
};

}  // namespace dcac::server

#endif  // DCAC_SERVER_BATCH_STORE_SESSIONS_H_
