#include "server/open_store.h"

#include <unistd.h>

#include <cstdlib>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "server/store/local_store.h"
#include "server/store/operator_text.h"
#include "server/store/s3_store.h"

namespace dcac::server {
namespace {

constexpr std::string_view kLocal = "local:";
constexpr std::string_view kMemory = "memory:";
constexpr std::string_view kS3 = "s3:";
constexpr std::string_view kNone = "none";

bool NamesNoStore(const std::string& location) {
  return location.empty() || location == kNone;
}

// Of the environment; empty: not set.
std::string Variable(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? "" : value;
}

store::SyncPolicy PolicyOf(const std::string& name) {
  if (name == "none") return store::SyncPolicy::kNone;
  return name == "interval" ? store::SyncPolicy::kInterval : store::SyncPolicy::kEach;
}

absl::StatusOr<store::S3StoreOptions> BucketOptions(const StoreOptions& options) {
  return store::S3StoreOptionsOf(options.location.substr(kS3.size()), store::ReadEnvironment);
}

absl::StatusOr<std::unique_ptr<store::BlockStore>> OpenBucket(const StoreOptions& options,
                                                              const store::StoreLimits& limits) {
  DCAC_ASSIGN_OR_RETURN(store::S3StoreOptions s3, BucketOptions(options));
  if (!options.s3_endpoint.empty()) s3.client.endpoint = options.s3_endpoint;
  if (!options.s3_region.empty()) s3.client.region = options.s3_region;
  s3.limits = limits;
  const std::string place =
      absl::StrCat(options.location, s3.client.endpoint.empty() ? "" : " at ", s3.client.endpoint);
  absl::StatusOr<std::unique_ptr<store::BlockStore>> store = store::OpenS3Store(std::move(s3));
  if (store.ok()) return store;
  // Errors of the store itself do not say where it is, for clients get to see them.
  return absl::Status(store.status().code(), absl::StrCat(place, ": ", store::MessageForOperators(store.status())));
}

}  // namespace

absl::Status CheckStoreLocation(const std::string& location) {
  const bool local = location.starts_with(kLocal) && location.size() > kLocal.size();
  const bool s3 = location.starts_with(kS3) && location.size() > kS3.size();
  if (NamesNoStore(location) || location == kMemory || local || s3) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("store: found \"", location, "\", expected local:FOLDER, s3:BUCKET[/PREFIX], memory: or none"));
}

absl::StatusOr<std::unique_ptr<store::BlockStore>> OpenStore(const StoreOptions& options,
                                                             const std::function<void(const std::string&)>& warn) {
  DCAC_RETURN_IF_ERROR(CheckStoreLocation(options.location));
  if (NamesNoStore(options.location)) return nullptr;
  const store::StoreLimits limits{.capacity_bytes = options.capacity_bytes,
                                  .owner_quota_bytes = options.quota_bytes,
                                  .upload_ttl = options.upload_ttl};
  if (options.location == kMemory) return store::OpenMemoryStore(limits);
  if (options.location.starts_with(kS3)) return OpenBucket(options, limits);
  return store::OpenLocalStore({.folder = StoreFolder(options.location),
                                .limits = limits,
                                .sync = PolicyOf(options.fsync),
                                .sync_interval = options.fsync_interval,
                                .free_bytes = options.free_bytes,
                                .on_warning = warn});
}

absl::Status CheckBucket(const StoreOptions& options) {
  return options.location.starts_with(kS3) ? BucketOptions(options).status() : absl::OkStatus();
}

std::string StoreFolder(const std::string& location) {
  return location.starts_with(kLocal) ? location.substr(kLocal.size()) : "";
}

std::string DefaultStoreLocation() {
  constexpr const char* kName = "dcac-server";
  // Several, with colons between them, where the unit asks for several.
  if (const std::string given = Variable("STATE_DIRECTORY"); !given.empty()) {
    return absl::StrCat("local:", given.substr(0, given.find(':')));
  }
  if (geteuid() == 0) return absl::StrCat("local:/var/lib/", kName);
  if (const std::string state = Variable("XDG_STATE_HOME"); !state.empty()) {
    return absl::StrCat("local:", state, "/", kName);
  }
  const std::string home = Variable("HOME");
  return home.empty() ? std::string(kNone) : absl::StrCat("local:", home, "/.local/state/", kName);
}

}  // namespace dcac::server
