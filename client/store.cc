#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/internal/async_call.h"
#include "client/internal/client_impl.h"
#include "client/internal/store_messages.h"
#include "client/internal/store_transfer.h"
#include "core/base/out_of_memory.h"
#include "core/base/status_macros.h"
#include "dcac/client_store.h"
#include "proto/wire/convert.h"

namespace dcac::client {

absl::StatusOr<StoredObject> Store::Put(std::string_view key, const TensorSpec& spec, std::span<const std::byte> data,
                                        const PutOptions& options, const CallOptions& call) const {
  DCAC_ASSIGN_OR_RETURN(const Client::Impl::Call begun, client_.impl_->Begin(call));
  return client_.impl_->Put(begun, key, spec, data, options);
}

absl::StatusOr<StoredObject> Store::PutStream(std::string_view key, const TensorSpec& spec, const ChunkSource& source,
                                              const PutOptions& options, const CallOptions& call) const {
  DCAC_ASSIGN_OR_RETURN(const Client::Impl::Call begun, client_.impl_->Begin(call));
  return client_.impl_->PutStream(begun, key, spec, source, options);
}

std::vector<absl::StatusOr<StoredObject>> Store::BatchPut(std::span<const PutItem> items,
                                                          const CallOptions& call) const {
  const absl::StatusOr<Client::Impl::Call> begun = client_.impl_->Begin(call);
  if (!begun.ok()) return std::vector<absl::StatusOr<StoredObject>>(items.size(), begun.status());
  return client_.impl_->BatchPut(*begun, items);
}

void Store::PutAsync(std::string_view key, const TensorSpec& spec, std::span<const std::byte> data,
                     const PutOptions& options, const CallOptions& call, ObjectCallback done) const {
  internal::StartCall(*client_.impl_, call, std::move(done),
                      [impl = client_.impl_.get(), key = std::string(key), spec, data, options](
                          const Client::Impl::Call& begun) { return impl->Put(begun, key, spec, data, options); });
}

std::future<absl::StatusOr<StoredObject>> Store::PutAsync(std::string_view key, const TensorSpec& spec,
                                                          std::span<const std::byte> data, const PutOptions& options,
                                                          const CallOptions& call) const {
  auto [future, done] = internal::Promise<StoredObject>();
  PutAsync(key, spec, data, options, call, std::move(done));
  return std::move(future);
}

absl::StatusOr<StoredObject> Store::PutFrame(std::string_view key, const FrameAccess& frame, const PutOptions& options,
                                             const CallOptions& call) const {
  DCAC_ASSIGN_OR_RETURN(const Client::Impl::Call begun, client_.impl_->Begin(call));
  v1::PutHeader header = internal::HeaderOf(key, options);
  header.mutable_frame()->set_stored_bytes(frame.frame_bytes);
  return internal::RunPut(client_.impl_->remote, begun.context, header, frame, client_.impl_->options.chunk_bytes,
                          {.on_begin = options.on_upload, .on_commit = {}});
}

absl::StatusOr<StoredObject> Store::PutArchive(std::string_view key, const FrameAccess& archive,
                                               std::uint64_t raw_bytes, const PutOptions& options,
                                               const CallOptions& call) const {
  DCAC_ASSIGN_OR_RETURN(const Client::Impl::Call begun, client_.impl_->Begin(call));
  v1::PutHeader header = internal::HeaderOf(key, options);
  header.mutable_archive()->set_stored_bytes(archive.frame_bytes);
  header.mutable_archive()->set_raw_bytes(raw_bytes);
  return internal::RunPut(client_.impl_->remote, begun.context, header, archive, client_.impl_->options.chunk_bytes,
                          {.on_begin = options.on_upload, .on_commit = {}});
}

absl::StatusOr<StoredTensor> Store::Get(std::string_view key, const GetOptions& options,
                                        const CallOptions& call) const {
  DCAC_ASSIGN_OR_RETURN(const Client::Impl::Call begun, client_.impl_->Begin(call));
  return client_.impl_->Get(begun, key, options);
}

absl::StatusOr<GotTensor> Store::GetInto(std::string_view key, std::span<std::byte> tensor, const GetOptions& options,
                                         const CallOptions& call) const {
  DCAC_ASSIGN_OR_RETURN(const Client::Impl::Call begun, client_.impl_->Begin(call));
  return client_.impl_->GetInto(begun, key, tensor, options);
}

absl::StatusOr<GotTensor> Store::GetStream(std::string_view key, const SpecSink& spec_sink, const ChunkSink& sink,
                                           const GetOptions& options, const CallOptions& call) const {
  DCAC_ASSIGN_OR_RETURN(const Client::Impl::Call begun, client_.impl_->Begin(call));
  return client_.impl_->GetStream(begun, key, spec_sink, sink, options);
}

std::vector<absl::StatusOr<StoredTensor>> Store::BatchGet(std::span<const std::string> keys,
                                                          const CallOptions& call) const {
  const absl::StatusOr<Client::Impl::Call> begun = client_.impl_->Begin(call);
  if (!begun.ok()) return std::vector<absl::StatusOr<StoredTensor>>(keys.size(), begun.status());
  return client_.impl_->BatchGet(*begun, keys);
}

void Store::GetAsync(std::string_view key, const GetOptions& options, const CallOptions& call,
                     StoredTensorCallback done) const {
  internal::StartCall(*client_.impl_, call, std::move(done),
                      [impl = client_.impl_.get(), key = std::string(key), options](const Client::Impl::Call& begun) {
                        return impl->Get(begun, key, options);
                      });
}

std::future<absl::StatusOr<StoredTensor>> Store::GetAsync(std::string_view key, const GetOptions& options,
                                                          const CallOptions& call) const {
  auto [future, done] = internal::Promise<StoredTensor>();
  GetAsync(key, options, call, std::move(done));
  return std::move(future);
}

absl::StatusOr<StoredObject> Store::GetStored(std::string_view key, const ChunkSink& sink,
                                              const CallOptions& call) const {
  DCAC_ASSIGN_OR_RETURN(const Client::Impl::Call begun, client_.impl_->Begin(call));
  internal::SinkOutput output(nullptr, sink);
  DCAC_ASSIGN_OR_RETURN(internal::GotObject got, internal::RunGet(client_.impl_->remote, begun.context,
                                                                  internal::RequestOf(key, v1::OBJECT_FORM_STORED),
                                                                  output, internal::Expected::kAny));
  return std::move(got.object);
}

absl::Status Store::ReadStored(const StoredObject& object, std::uint64_t offset, std::span<std::byte> out,
                               const CallOptions& call) const {
  DCAC_ASSIGN_OR_RETURN(const Client::Impl::Call begun, client_.impl_->Begin(call));
  return client_.impl_->ReadStored(begun, object, offset, out);
}

absl::StatusOr<StoredObject> Store::Stat(std::string_view key, const CallOptions& call) const {
  DCAC_ASSIGN_OR_RETURN(const Client::Impl::Call begun, client_.impl_->Begin(call));
  return client_.impl_->Stat(begun, key);
}

absl::StatusOr<std::vector<std::string>> Store::FindMissing(std::span<const std::string> keys,
                                                            const CallOptions& call) const {
  DCAC_ASSIGN_OR_RETURN(const Client::Impl::Call begun, client_.impl_->Begin(call));
  std::vector<std::string> missing;
  while (!keys.empty()) {
    const std::span<const std::string> asked = internal::KeysOfRequest(keys);
    v1::FindMissingRequest request;
    for (const std::string& key : asked) request.add_keys(key);
    DCAC_ASSIGN_OR_RETURN(const auto response, internal::Ask(client_.impl_->remote, begun.context,
                                                             &internal::Connection::FindMissing, request));
    missing.insert(missing.end(), response.missing_keys().begin(), response.missing_keys().end());
    keys = keys.subspan(asked.size());
  }
  return missing;
}

absl::StatusOr<ObjectPage> Store::List(std::string_view prefix, int page_size, std::string_view page_token,
                                       const CallOptions& call) const {
  DCAC_ASSIGN_OR_RETURN(const Client::Impl::Call begun, client_.impl_->Begin(call));
  v1::ListRequest request;
  request.set_prefix(std::string(prefix));
  request.set_page_size(page_size);
  request.set_page_token(std::string(page_token));
  DCAC_ASSIGN_OR_RETURN(const auto response,
                        internal::Ask(client_.impl_->remote, begun.context, &internal::Connection::List, request));
  ObjectPage page{.next_page_token = response.next_page_token()};
  for (const v1::StoredObject& message : response.objects()) {
    DCAC_ASSIGN_OR_RETURN(StoredObject object, internal::FromProto(message));
    page.objects.push_back(std::move(object));
  }
  return page;
}

absl::Status Store::ForEach(std::string_view prefix, const std::function<absl::Status(const StoredObject&)>& visit,
                            const CallOptions& call) const {
  std::string token;
  do {
    DCAC_ASSIGN_OR_RETURN(ObjectPage page, List(prefix, 0, token, call));
    for (const StoredObject& object : page.objects) DCAC_RETURN_IF_ERROR(visit(object));
    if (!token.empty() && page.next_page_token == token) return absl::InternalError("server: the same page again");
    token = std::move(page.next_page_token);
  } while (!token.empty());
  return absl::OkStatus();
}

absl::Status Store::Delete(std::string_view key, const CallOptions& call) const {
  DCAC_ASSIGN_OR_RETURN(const Client::Impl::Call begun, client_.impl_->Begin(call));
  v1::DeleteRequest request;
  request.set_key(std::string(key));
  return internal::Ask(client_.impl_->remote, begun.context, &internal::Connection::Delete, request).status();
}

absl::StatusOr<PrefixDeletion> Store::DeletePrefix(std::string_view prefix, const CallOptions& call) const {
  DCAC_ASSIGN_OR_RETURN(const Client::Impl::Call begun, client_.impl_->Begin(call));
  v1::DeletePrefixRequest request;
  request.set_prefix(std::string(prefix));
  DCAC_ASSIGN_OR_RETURN(const auto response, internal::Ask(client_.impl_->remote, begun.context,
                                                           &internal::Connection::DeletePrefix, request));
  return PrefixDeletion{response.deleted_objects(), response.more()};
}

absl::StatusOr<StoredObject> Store::Touch(std::string_view key, std::optional<std::chrono::milliseconds> ttl,
                                          const CallOptions& call) const {
  DCAC_ASSIGN_OR_RETURN(const Client::Impl::Call begun, client_.impl_->Begin(call));
  v1::TouchRequest request;
  request.set_key(std::string(key));
  if (ttl && ttl->count() == 0) request.set_never_expires(true);
  if (ttl && ttl->count() != 0) internal::ToProto(*ttl, request.mutable_ttl());
  DCAC_ASSIGN_OR_RETURN(const auto response,
                        internal::Ask(client_.impl_->remote, begun.context, &internal::Connection::Touch, request));
  return internal::FromProto(response.object());
}

absl::StatusOr<StoredObject> Store::Pin(std::string_view key, bool pinned, const CallOptions& call) const {
  DCAC_ASSIGN_OR_RETURN(const Client::Impl::Call begun, client_.impl_->Begin(call));
  v1::PinRequest request;
  request.set_key(std::string(key));
  request.set_pinned(pinned);
  DCAC_ASSIGN_OR_RETURN(const auto response,
                        internal::Ask(client_.impl_->remote, begun.context, &internal::Connection::Pin, request));
  return internal::FromProto(response.object());
}

absl::StatusOr<StoreUsage> Store::Usage(std::string_view prefix, const CallOptions& call) const {
  DCAC_ASSIGN_OR_RETURN(const Client::Impl::Call begun, client_.impl_->Begin(call));
  v1::GetUsageRequest request;
  request.set_prefix(std::string(prefix));
  DCAC_ASSIGN_OR_RETURN(const auto response,
                        internal::Ask(client_.impl_->remote, begun.context, &internal::Connection::GetUsage, request));
  return StoreUsage{.objects = response.objects(),
                    .raw_bytes = response.raw_bytes(),
                    .stored_bytes = response.stored_bytes(),
                    .quota_bytes = response.quota_bytes(),
                    .capacity_bytes = response.capacity_bytes(),
                    .backend = response.backend()};
}

absl::StatusOr<ScrubResult> Store::Scrub(std::string_view prefix, std::string_view start_after,
                                         const CallOptions& call) const {
  DCAC_ASSIGN_OR_RETURN(const Client::Impl::Call begun, client_.impl_->Begin(call));
  v1::ScrubRequest request;
  request.set_prefix(std::string(prefix));
  request.set_start_after(std::string(start_after));
  DCAC_ASSIGN_OR_RETURN(const auto response,
                        internal::Ask(client_.impl_->remote, begun.context, &internal::Connection::Scrub, request));
  return ScrubResult{.objects = response.objects(),
                     .bytes = response.bytes(),
                     .damaged_keys = {response.damaged_keys().begin(), response.damaged_keys().end()},
                     .last_key = response.last_key()};
}

}  // namespace dcac::client
