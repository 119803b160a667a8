#include "server/store/metered_store.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "core/base/status_macros.h"
#include "server/store/wrappers.h"

namespace dcac::store {
namespace {

// Whom calls are told to.
struct Metering {
  StoreMeter& meter;
  MeterClock now;
};

absl::StatusCode CodeOf(const absl::Status& status) {
  return status.code();
}

template <typename T>
absl::StatusCode CodeOf(const absl::StatusOr<T>& result) {
  return result.status().code();
}

template <typename T>
absl::StatusCode CodeOf(const std::vector<T>& results) {
  const auto failed = std::ranges::find_if(results, [](const T& result) { return !result.ok(); });
  return failed == results.end() ? absl::StatusCode::kOk : CodeOf(*failed);
}

// Gives what `call` gives, and tells of it.
template <typename Call>
auto Meter(const Metering& metering, StoreVerb verb, const Call& call) {
  const auto start = metering.now();
  auto result = call();
  metering.meter.OnStoreCall(verb, CodeOf(result), metering.now() - start);
  return result;
}

class MeteredUpload final : public UploadWrapper {
 public:
  MeteredUpload(std::unique_ptr<Upload> upload, const Metering& metering)
      : UploadWrapper(std::move(upload)), metering_(metering) {}

  absl::Status Append(std::span<const std::byte> bytes, const CallControl& control) override {
    return Meter(metering_, StoreVerb::kAppend, [&] { return upload_->Append(bytes, control); });
  }
  absl::Status Read(std::uint64_t offset, std::span<std::byte> out, const CallControl& control) override {
    return Meter(metering_, StoreVerb::kReadUpload, [&] { return upload_->Read(offset, out, control); });
  }
  absl::Status KeepInput(std::uint64_t offset, std::span<const std::span<const std::byte>> parts) override {
    return Meter(metering_, StoreVerb::kKeepInput, [&] { return upload_->KeepInput(offset, parts); });
  }
  absl::StatusOr<KeptInput> ReadInput(const CallControl& control) override {
    return Meter(metering_, StoreVerb::kReadInput, [&] { return upload_->ReadInput(control); });
  }
  absl::Status Seal(const CallControl& control) override {
    return Meter(metering_, StoreVerb::kSeal, [&] { return upload_->Seal(control); });
  }
  absl::StatusOr<BlockInfo> Commit(const PutOptions& options, const CallControl& control) override {
    return Meter(metering_, StoreVerb::kCommit, [&] { return upload_->Commit(options, control); });
  }
  absl::Status Abort() override {
    return Meter(metering_, StoreVerb::kAbort, [&] { return upload_->Abort(); });
  }

 private:
  const Metering& metering_;
};

class MeteredReader final : public ReaderWrapper {
 public:
  MeteredReader(std::shared_ptr<const BlockReader> reader, const Metering& metering)
      : ReaderWrapper(std::move(reader)), metering_(metering) {}

  absl::Status Read(std::uint64_t offset, std::span<std::byte> out, const CallControl& control) const override {
    return Meter(metering_, StoreVerb::kRead, [&] { return reader_->Read(offset, out, control); });
  }

 private:
  const Metering& metering_;
};

class MeteredStore final : public BlockStore {
 public:
  MeteredStore(std::unique_ptr<BlockStore> store, Metering metering)
      : metering_(std::move(metering)), store_(std::move(store)) {}

  absl::StatusOr<std::unique_ptr<Upload>> Begin(const UploadStart& start, const CallControl& control) override {
    return Metered(Meter(metering_, StoreVerb::kBegin, [&] { return store_->Begin(start, control); }));
  }
  absl::StatusOr<std::unique_ptr<Upload>> Resume(const std::string& upload_id, const std::string& owner,
                                                 const CallControl& control) override {
    return Metered(Meter(metering_, StoreVerb::kResume, [&] { return store_->Resume(upload_id, owner, control); }));
  }
  std::vector<absl::StatusOr<BlockInfo>> PutMany(std::span<const SmallBlock> blocks,
                                                 const CallControl& control) override {
    return Meter(metering_, StoreVerb::kPutMany, [&] { return store_->PutMany(blocks, control); });
  }

  absl::StatusOr<std::shared_ptr<const BlockReader>> Open(const std::string& key, const CallControl& control) override {
    DCAC_ASSIGN_OR_RETURN(std::shared_ptr<const BlockReader> reader,
                          Meter(metering_, StoreVerb::kOpen, [&] { return store_->Open(key, control); }));
    return std::make_shared<MeteredReader>(std::move(reader), metering_);
  }

  std::vector<absl::StatusOr<BlockInfo>> Stat(std::span<const std::string> keys, const CallControl& control) override {
    return Meter(metering_, StoreVerb::kStat, [&] { return store_->Stat(keys, control); });
  }
  absl::StatusOr<ListPage> List(const ListRequest& request, const CallControl& control) override {
    return Meter(metering_, StoreVerb::kList, [&] { return store_->List(request, control); });
  }
  std::vector<absl::Status> Delete(std::span<const std::string> keys, const CallControl& control) override {
    return Meter(metering_, StoreVerb::kDelete, [&] { return store_->Delete(keys, control); });
  }
  absl::StatusOr<BlockInfo> Update(const std::string& key, const BlockUpdate& update,
                                   const CallControl& control) override {
    return Meter(metering_, StoreVerb::kUpdate, [&] { return store_->Update(key, update, control); });
  }
  absl::StatusOr<Usage> ReadUsage(const std::string& prefix, const CallControl& control) override {
    return Meter(metering_, StoreVerb::kReadUsage, [&] { return store_->ReadUsage(prefix, control); });
  }
  absl::StatusOr<ScrubPage> Scrub(const ScrubRequest& request, const CallControl& control) override {
    return Meter(metering_, StoreVerb::kScrub, [&] { return store_->Scrub(request, control); });
  }
  absl::Status Maintain(const CallControl& control) override {
    return Meter(metering_, StoreVerb::kMaintain, [&] { return store_->Maintain(control); });
  }
  StoreStatus Status() const override { return store_->Status(); }
  std::uint64_t block_memory_bytes() const override { return store_->block_memory_bytes(); }

 private:
  absl::StatusOr<std::unique_ptr<Upload>> Metered(absl::StatusOr<std::unique_ptr<Upload>> upload) const {
    DCAC_RETURN_IF_ERROR(upload.status());
    return std::make_unique<MeteredUpload>(*std::move(upload), metering_);
  }

  const Metering metering_;
  const std::unique_ptr<BlockStore> store_;
};

}  // namespace

std::string_view StoreVerbName(StoreVerb verb) {
  static constexpr std::array<std::string_view, kNumStoreVerbs> kNames = {
      "begin",  "resume", "append",     "read_upload", "keep_input", "read_input", "seal",
      "commit", "abort",  "put_many",   "open",        "read",       "stat",       "list",
      "delete", "update", "read_usage", "scrub",       "maintain"};
  return kNames.at(static_cast<std::size_t>(verb));
}

std::unique_ptr<BlockStore> MakeMeteredStore(std::unique_ptr<BlockStore> store, StoreMeter& meter, MeterClock now) {
  return std::make_unique<MeteredStore>(std::move(store), Metering{meter, std::move(now)});
}

}  // namespace dcac::store
