// The work of one Put stream.
#ifndef DCAC_SERVER_PUT_SESSION_H_
#define DCAC_SERVER_PUT_SESSION_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "dcac/v1/store.pb.h"
#include "server/chunk_queue.h"
#include "server/put_content.h"
#include "server/session.h"
#include "server/store_context.h"

namespace dcac::server {

class PutSession final : public Session<v1::PutRequest, v1::PutResponse> {
 public:
  explicit PutSession(StoreContext context) : context_(std::move(context)) {}
  ~PutSession() override;

  // Errors: InvalidArgument (order, offset, size, key, content), ResourceExhausted (limits).
  absl::Status Accept(v1::PutRequest&& request) override;
  // Errors: InvalidArgument (no header, bytes are missing), DataLoss (what arrived does not match the trailer's count).
  absl::Status AcceptEnd() override;
  // Errors: those of PutContent and of the store, NotFound (upload), InvalidArgument (it is of another content).
  absl::Status Work() override;
  bool NextReply(v1::PutResponse* response) override;
  std::uint64_t memory_bytes() const override;
  CallFacts facts() const override { return content_ ? content_->facts() : CallFacts(); }
  bool takes_request_data() const override { return true; }
  void GiveRequestData(wire::SharedPieces data) override { request_data_ = std::move(data); }
  std::size_t max_requests_at_once() const override { return kChunksAtOnce; }
  bool idle() const override { return input_.empty() && !is_to_open() && !(ended_ && !object_); }
  bool done() const override { return object_sent_; }

 private:
  absl::Status Start(const v1::PutHeader& header);
  // Not before there is memory for the call: a refused one must not leave an upload behind.
  bool is_to_open() const { return content_ != nullptr && !opened_; }
  absl::Status OpenUpload();
  absl::Status AcceptTrailer(const v1::CompressTrailer& trailer);
  absl::Status Publish();

  const StoreContext context_;
  v1::PutHeader header_;
  std::unique_ptr<PutContent> content_;  // since the header
  std::unique_ptr<store::Upload> upload_;
  store::PutOptions options_;
  std::optional<v1::CompressTrailer> expected_;
  wire::SharedPieces request_data_;  // of the next request's chunk
  InputChunks input_;
  bool opened_ = false;
  bool id_sent_ = false;
  bool ended_ = false;  // the client half-closed
  std::optional<v1::StoredObject> object_;
  bool object_sent_ = false;
};

// Where the input of an upload goes on.  Errors: NotFound (also those of other tenants), Unavailable (it is under way).
absl::Status QueryUpload(const v1::QueryUploadRequest& request, const StoreContext& context, const WorkControl& control,
                         v1::QueryUploadResponse* response);

}  // namespace dcac::server

#endif  // DCAC_SERVER_PUT_SESSION_H_
