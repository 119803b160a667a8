#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/internal/client_impl.h"
#include "client/internal/store_messages.h"
#include "client/internal/store_transfer.h"
#include "core/base/out_of_memory.h"
#include "core/base/status_macros.h"
#include "dcac/client_store.h"
#include "proto/wire/convert.h"

namespace dcac::client {
namespace {

using internal::CallContext;
using internal::Connection;

template <typename Request, typename Response>
using Method = absl::StatusOr<Response> (Connection::*)(const CallContext&, const Request&);

template <typename Request, typename Response>
absl::StatusOr<Response> Ask(internal::RemoteCalls& calls, const CallContext& call, Method<Request, Response> method,
                             const Request& request) {
  absl::StatusOr<Response> response;
  DCAC_RETURN_IF_ERROR(calls.Run(
      call,
      [&](Connection& connection) {
        response = (connection.*method)(call, request);
        return response.status();
      },
      [] { return true; }));
  return response;
}

v1::GetRequest RequestOf(std::string_view key, v1::ObjectForm form) {
  v1::GetRequest request;
  request.set_key(std::string(key));
  request.set_form(form);
  return request;
}

ChunkSink AppendTo(std::vector<std::byte>& bytes) {
  return [&bytes](std::span<const std::byte> more) {
    bytes.insert(bytes.end(), more.begin(), more.end());
    return absl::OkStatus();
  };
}

absl::Status CheckTensor(const StoredObject& object) {
  if (object.kind == ObjectKind::kTensor) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(object.key, " is an archive, expected a tensor"));
}

}  // namespace

absl::StatusOr<StoredObject> Store::Put(std::string_view key, const TensorSpec& spec, std::span<const std::byte> data,
                                        const PutOptions& options, const CallOptions& call) const {
  DCAC_ASSIGN_OR_RETURN(Client::Impl::Call begun, client_.impl_->Begin(call));
  if (begun.codec != Codec::kServer) {
    begun.codec = Codec::kClient;
    DCAC_ASSIGN_OR_RETURN(const std::vector<std::byte> frame,
                          client_.impl_->Compress(begun, spec, data, options.encode));
    v1::PutHeader header = internal::HeaderOf(key, options);
    header.mutable_frame()->set_stored_bytes(frame.size());
    return internal::RunPut(client_.impl_->remote, begun.context, header, AccessMemory(frame),
                            client_.impl_->options.chunk_bytes);
  }
  v1::PutHeader header = internal::HeaderOf(key, options);
  wire::ToProto(spec, header.mutable_tensor()->mutable_spec());
  wire::ToProto(options.encode, header.mutable_tensor()->mutable_options());
  return internal::RunPut(client_.impl_->remote, begun.context, header, AccessMemory(data),
                          client_.impl_->options.chunk_bytes);
}

absl::StatusOr<StoredObject> Store::PutFrame(std::string_view key, const FrameAccess& frame, const PutOptions& options,
                                             const CallOptions& call) const {
  DCAC_ASSIGN_OR_RETURN(const Client::Impl::Call begun, client_.impl_->Begin(call));
  v1::PutHeader header = internal::HeaderOf(key, options);
  header.mutable_frame()->set_stored_bytes(frame.frame_bytes);
  return internal::RunPut(client_.impl_->remote, begun.context, header, frame, client_.impl_->options.chunk_bytes);
}

absl::StatusOr<StoredObject> Store::PutArchive(std::string_view key, const FrameAccess& archive,
                                               std::uint64_t raw_bytes, const PutOptions& options,
                                               const CallOptions& call) const {
  DCAC_ASSIGN_OR_RETURN(const Client::Impl::Call begun, client_.impl_->Begin(call));
  v1::PutHeader header = internal::HeaderOf(key, options);
  header.mutable_archive()->set_stored_bytes(archive.frame_bytes);
  header.mutable_archive()->set_raw_bytes(raw_bytes);
  return internal::RunPut(client_.impl_->remote, begun.context, header, archive, client_.impl_->options.chunk_bytes);
}

absl::StatusOr<StoredTensor> Store::Get(std::string_view key, const GetOptions& options,
                                        const CallOptions& call) const {
  DCAC_ASSIGN_OR_RETURN(Client::Impl::Call begun, client_.impl_->Begin(call));
  const bool decodes_here = begun.codec != Codec::kServer && !options.slice;
  v1::GetRequest request = RequestOf(key, decodes_here ? v1::OBJECT_FORM_STORED : v1::OBJECT_FORM_UNSPECIFIED);
  request.set_if_version(options.if_version);
  request.set_max_bytes(client_.impl_->options.max_tensor_bytes);
  if (options.slice) *request.mutable_slice() = internal::ToProto(*options.slice);
  return CatchOutOfMemory([&]() -> absl::StatusOr<StoredTensor> {
    std::vector<std::byte> bytes;
    DCAC_ASSIGN_OR_RETURN(internal::GotObject got,
                          internal::RunGet(client_.impl_->remote, begun.context, request, AppendTo(bytes)));
    DCAC_RETURN_IF_ERROR(CheckTensor(got.object));
    if (decodes_here) {
      begun.codec = Codec::kClient;
      DCAC_ASSIGN_OR_RETURN(Tensor tensor, client_.impl_->Decompress(begun, bytes));
      return StoredTensor{std::move(got.object), std::move(tensor)};
    }
    if (!options.slice && got.digest != got.object.digest) {
      return absl::DataLossError("digest of the tensor differs from that of its object");
    }
    if (TensorBytes(got.spec).value_or(0) != bytes.size()) {
      return absl::InternalError(
          absl::StrCat("server: ", bytes.size(), " bytes are not those of a tensor of its spec"));
    }
    return StoredTensor{std::move(got.object), Tensor{std::move(got.spec), std::move(bytes)}};
  });
}

absl::StatusOr<StoredObject> Store::GetStored(std::string_view key, const ChunkSink& sink,
                                              const CallOptions& call) const {
  DCAC_ASSIGN_OR_RETURN(const Client::Impl::Call begun, client_.impl_->Begin(call));
  DCAC_ASSIGN_OR_RETURN(internal::GotObject got, internal::RunGet(client_.impl_->remote, begun.context,
                                                                  RequestOf(key, v1::OBJECT_FORM_STORED), sink));
  return std::move(got.object);
}

absl::Status Store::ReadStored(const StoredObject& object, std::uint64_t offset, std::span<std::byte> out,
                               const CallOptions& call) const {
  if (out.empty()) return absl::OkStatus();
  DCAC_ASSIGN_OR_RETURN(const Client::Impl::Call begun, client_.impl_->Begin(call));
  v1::GetRequest request = RequestOf(object.key, v1::OBJECT_FORM_STORED);
  request.set_if_version(object.version);
  request.mutable_range()->set_offset(offset);
  request.mutable_range()->set_size(out.size());
  std::span<std::byte> rest = out;
  const ChunkSink fill = [&rest](std::span<const std::byte> bytes) -> absl::Status {
    if (bytes.size() > rest.size()) return absl::InternalError("server: more bytes than the range has");
    std::ranges::copy(bytes, rest.begin());
    rest = rest.subspan(bytes.size());
    return absl::OkStatus();
  };
  DCAC_RETURN_IF_ERROR(internal::RunGet(client_.impl_->remote, begun.context, request, fill).status());
  if (rest.empty()) return absl::OkStatus();
  return absl::InternalError(absl::StrCat("server: ", rest.size(), " bytes of the range are missing"));
}

absl::StatusOr<StoredObject> Store::Stat(std::string_view key, const CallOptions& call) const {
  DCAC_ASSIGN_OR_RETURN(const Client::Impl::Call begun, client_.impl_->Begin(call));
  v1::StatRequest request;
  request.set_key(std::string(key));
  DCAC_ASSIGN_OR_RETURN(const auto response, Ask(client_.impl_->remote, begun.context, &Connection::Stat, request));
  return internal::FromProto(response.object());
}

absl::StatusOr<std::vector<std::string>> Store::FindMissing(std::span<const std::string> keys,
                                                            const CallOptions& call) const {
  DCAC_ASSIGN_OR_RETURN(const Client::Impl::Call begun, client_.impl_->Begin(call));
  v1::FindMissingRequest request;
  for (const std::string& key : keys) request.add_keys(key);
  DCAC_ASSIGN_OR_RETURN(const auto response,
                        Ask(client_.impl_->remote, begun.context, &Connection::FindMissing, request));
  return std::vector<std::string>(response.missing_keys().begin(), response.missing_keys().end());
}

absl::StatusOr<ObjectPage> Store::List(std::string_view prefix, int page_size, std::string_view page_token,
                                       const CallOptions& call) const {
  DCAC_ASSIGN_OR_RETURN(const Client::Impl::Call begun, client_.impl_->Begin(call));
  v1::ListRequest request;
  request.set_prefix(std::string(prefix));
  request.set_page_size(page_size);
  request.set_page_token(std::string(page_token));
  DCAC_ASSIGN_OR_RETURN(const auto response, Ask(client_.impl_->remote, begun.context, &Connection::List, request));
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
  return Ask(client_.impl_->remote, begun.context, &Connection::Delete, request).status();
}

absl::StatusOr<PrefixDeletion> Store::DeletePrefix(std::string_view prefix, const CallOptions& call) const {
  DCAC_ASSIGN_OR_RETURN(const Client::Impl::Call begun, client_.impl_->Begin(call));
  v1::DeletePrefixRequest request;
  request.set_prefix(std::string(prefix));
  DCAC_ASSIGN_OR_RETURN(const auto response,
                        Ask(client_.impl_->remote, begun.context, &Connection::DeletePrefix, request));
  return PrefixDeletion{response.deleted_objects(), response.more()};
}

absl::StatusOr<StoredObject> Store::Touch(std::string_view key, std::optional<std::chrono::milliseconds> ttl,
                                          const CallOptions& call) const {
  DCAC_ASSIGN_OR_RETURN(const Client::Impl::Call begun, client_.impl_->Begin(call));
  v1::TouchRequest request;
  request.set_key(std::string(key));
  if (ttl && ttl->count() == 0) request.set_never_expires(true);
  if (ttl && ttl->count() != 0) internal::ToProto(*ttl, request.mutable_ttl());
  DCAC_ASSIGN_OR_RETURN(const auto response, Ask(client_.impl_->remote, begun.context, &Connection::Touch, request));
  return internal::FromProto(response.object());
}

absl::StatusOr<StoredObject> Store::Pin(std::string_view key, bool pinned, const CallOptions& call) const {
  DCAC_ASSIGN_OR_RETURN(const Client::Impl::Call begun, client_.impl_->Begin(call));
  v1::PinRequest request;
  request.set_key(std::string(key));
  request.set_pinned(pinned);
  DCAC_ASSIGN_OR_RETURN(const auto response, Ask(client_.impl_->remote, begun.context, &Connection::Pin, request));
  return internal::FromProto(response.object());
}

absl::StatusOr<StoreUsage> Store::Usage(std::string_view prefix, const CallOptions& call) const {
  DCAC_ASSIGN_OR_RETURN(const Client::Impl::Call begun, client_.impl_->Begin(call));
  v1::GetUsageRequest request;
  request.set_prefix(std::string(prefix));
  DCAC_ASSIGN_OR_RETURN(const auto response, Ask(client_.impl_->remote, begun.context, &Connection::GetUsage, request));
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
  DCAC_ASSIGN_OR_RETURN(const auto response, Ask(client_.impl_->remote, begun.context, &Connection::Scrub, request));
  return ScrubResult{.objects = response.objects(),
                     .bytes = response.bytes(),
                     .damaged_keys = {response.damaged_keys().begin(), response.damaged_keys().end()},
                     .last_key = response.last_key()};
}

}  // namespace dcac::client
