#include "server/store_calls.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "server/stored_object.h"

namespace dcac::server {
namespace {

constexpr std::size_t kMaxKeys = 10'000;
constexpr int kMaxPageSize = 10'000;
constexpr int kDefaultPageSize = 1000;
constexpr std::size_t kDeletedAtOnce = 1000;
// A page ends before its message becomes too large.
constexpr std::size_t kMaxPageBytes = std::size_t{3} << 20;
constexpr std::size_t kMaxObjectRest = 256;  // of an object beside its key and attributes

std::string WithoutTenantPart(const std::string& block_key, const std::string& tenant) {
  return block_key.substr(std::min(tenant.size() + 1, block_key.size()));
}

// Tokens of pages are keys, in a form that invites nobody to make some.
absl::StatusOr<std::string> StartAfter(const std::string& page_token, const std::string& tenant) {
  if (page_token.empty()) return std::string();
  std::string key;
  if (!absl::WebSafeBase64Unescape(page_token, &key)) {
    return absl::InvalidArgumentError("page_token is none of a page before");
  }
  return BlockKey(tenant, key);
}

absl::Status ChangeObject(const std::string& key, const store::BlockUpdate& update, const StoreContext& context,
                          const WorkControl& control, v1::StoredObject* object) {
  DCAC_ASSIGN_OR_RETURN(const std::string block_key, BlockKey(context.tenant, key));
  DCAC_ASSIGN_OR_RETURN(const store::BlockInfo info,
                        context.store.Update(block_key, update, context.Control(control.cancelled)));
  DCAC_ASSIGN_OR_RETURN(*object, ToObject(info));
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckKeyCount(std::size_t keys) {
  if (keys <= kMaxKeys) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("keys: ", keys, ", expected at most ", kMaxKeys));
}

absl::Status FindMissing(const v1::FindMissingRequest& request, const StoreContext& context, const WorkControl& control,
                         v1::FindMissingResponse* response) {
  DCAC_RETURN_IF_ERROR(CheckKeyCount(static_cast<std::size_t>(request.keys_size())));
  std::vector<std::string> keys;
  for (const std::string& key : request.keys()) {
    DCAC_ASSIGN_OR_RETURN(keys.emplace_back(), BlockKey(context.tenant, key));
  }
  const auto infos = context.store.Stat(keys, context.Control(control.cancelled));
  for (std::size_t i = 0; i < infos.size(); ++i) {
    if (absl::IsNotFound(infos[i].status())) {
      response->add_missing_keys(request.keys(static_cast<int>(i)));
    } else if (!infos[i].ok() && !absl::IsDataLoss(infos[i].status())) {
      return infos[i].status();
    }
  }
  return absl::OkStatus();
}

absl::Status Stat(const v1::StatRequest& request, const StoreContext& context, const WorkControl& control,
                  v1::StatResponse* response) {
  DCAC_ASSIGN_OR_RETURN(const std::string key, BlockKey(context.tenant, request.key()));
  DCAC_ASSIGN_OR_RETURN(const store::BlockInfo info,
                        context.store.Stat({&key, 1}, context.Control(control.cancelled)).front());
  DCAC_ASSIGN_OR_RETURN(*response->mutable_object(), ToObject(info));
  return absl::OkStatus();
}

absl::Status List(const v1::ListRequest& request, const StoreContext& context, const WorkControl& control,
                  v1::ListResponse* response) {
  if (request.page_size() < 0 || request.page_size() > kMaxPageSize) {
    return absl::InvalidArgumentError(
        absl::StrCat("page_size: ", request.page_size(), ", expected 0 .. ", kMaxPageSize));
  }
  DCAC_ASSIGN_OR_RETURN(const std::string prefix, BlockPrefix(context.tenant, request.prefix()));
  DCAC_ASSIGN_OR_RETURN(const std::string start_after, StartAfter(request.page_token(), context.tenant));
  const int limit = request.page_size() == 0 ? kDefaultPageSize : request.page_size();
  DCAC_ASSIGN_OR_RETURN(
      const store::ListPage page,
      context.store.List({.prefix = prefix, .start_after = start_after, .limit = static_cast<std::size_t>(limit)},
                         context.Control(control.cancelled)));
  bool more = page.more;
  std::size_t page_bytes = 0;
  for (const store::BlockInfo& info : page.blocks) {
    page_bytes += info.key.size() + info.attributes.size() + kMaxObjectRest;
    more = page_bytes > kMaxPageBytes || page.more;
    if (page_bytes > kMaxPageBytes) break;
    const absl::StatusOr<v1::StoredObject> object = ToObject(info);
    if (object.ok()) {
      *response->add_objects() = *object;
    } else {
      // It is there all the same; reading it tells what is wrong.
      response->add_objects()->set_key(WithoutTenantPart(info.key, context.tenant));
    }
  }
  if (more && !response->objects().empty()) {
    response->set_next_page_token(absl::WebSafeBase64Escape(response->objects().rbegin()->key()));
  }
  return absl::OkStatus();
}

absl::Status Delete(const v1::DeleteRequest& request, const StoreContext& context, const WorkControl& control,
                    v1::DeleteResponse*) {
  DCAC_ASSIGN_OR_RETURN(const std::string key, BlockKey(context.tenant, request.key()));
  return context.store.Delete({&key, 1}, context.Control(control.cancelled)).front();
}

absl::Status DeletePrefix(const v1::DeletePrefixRequest& request, const StoreContext& context,
                          const WorkControl& control, v1::DeletePrefixResponse* response) {
  if (request.prefix().empty()) return absl::InvalidArgumentError("prefix is empty, expected the beginning of keys");
  DCAC_ASSIGN_OR_RETURN(const std::string prefix, BlockPrefix(context.tenant, request.prefix()));
  const store::CallControl call = context.Control(control.cancelled);
  DCAC_ASSIGN_OR_RETURN(const store::ListPage page,
                        context.store.List({.prefix = prefix, .start_after = {}, .limit = kDeletedAtOnce}, call));
  std::vector<std::string> keys;
  for (const store::BlockInfo& info : page.blocks) keys.push_back(info.key);
  for (const absl::Status& status : context.store.Delete(keys, call)) {
    // Who else deletes it does no harm.
    if (absl::IsNotFound(status)) continue;
    DCAC_RETURN_IF_ERROR(status);
    response->set_deleted_objects(response->deleted_objects() + 1);
  }
  response->set_more(page.more);
  return absl::OkStatus();
}

absl::Status Touch(const v1::TouchRequest& request, const StoreContext& context, const WorkControl& control,
                   v1::TouchResponse* response) {
  store::BlockUpdate update{.touch = true, .pinned = {}};
  if (request.has_ttl()) {
    DCAC_ASSIGN_OR_RETURN(update.ttl, TimeToLive(request.ttl()));
    update.set_ttl = true;
  }
  if (request.never_expires()) update.set_ttl = true;
  return ChangeObject(request.key(), update, context, control, response->mutable_object());
}

absl::Status Pin(const v1::PinRequest& request, const StoreContext& context, const WorkControl& control,
                 v1::PinResponse* response) {
  return ChangeObject(request.key(), {.pinned = request.pinned()}, context, control, response->mutable_object());
}

absl::Status GetUsage(const v1::GetUsageRequest& request, const StoreContext& context, const WorkControl& control,
                      v1::GetUsageResponse* response) {
  DCAC_ASSIGN_OR_RETURN(const std::string prefix, BlockPrefix(context.tenant, request.prefix()));
  DCAC_ASSIGN_OR_RETURN(const store::Usage usage, context.store.ReadUsage(prefix, context.Control(control.cancelled)));
  const store::StoreStatus status = context.store.Status();
  response->set_objects(usage.blocks);
  response->set_raw_bytes(usage.raw_bytes);
  response->set_stored_bytes(usage.stored_bytes);
  response->set_quota_bytes(status.owner_quota_bytes);
  response->set_capacity_bytes(status.capacity_bytes);
  response->set_backend(status.backend);
  return absl::OkStatus();
}

absl::Status Scrub(const v1::ScrubRequest& request, const StoreContext& context, const WorkControl& control,
                   v1::ScrubResponse* response) {
  DCAC_ASSIGN_OR_RETURN(const std::string prefix, BlockPrefix(context.tenant, request.prefix()));
  store::ScrubRequest scrub{.prefix = prefix, .start_after = {}};
  if (!request.start_after().empty()) {
    DCAC_ASSIGN_OR_RETURN(scrub.start_after, BlockKey(context.tenant, request.start_after()));
  }
  DCAC_ASSIGN_OR_RETURN(const store::ScrubPage page, context.store.Scrub(scrub, context.Control(control.cancelled)));
  response->set_objects(page.blocks);
  response->set_bytes(page.bytes);
  for (const std::string& key : page.damaged) response->add_damaged_keys(WithoutTenantPart(key, context.tenant));
  response->set_last_key(WithoutTenantPart(page.last_key, context.tenant));
  return absl::OkStatus();
}

}  // namespace dcac::server
