#include "server/store/discreet_store.h"

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "core/base/status_macros.h"
#include "server/store/key.h"
#include "server/store/operator_text.h"
#include "server/store/wrappers.h"

namespace dcac::store {
namespace {

// What the name of a folder may end with is not to matter: names of files below it follow after one slash at least.
std::string WithoutSlashes(std::string folder) {
  while (folder.ends_with('/')) folder.pop_back();
  return folder;
}

// The key as its owner knows it.
std::string KeyOfClient(const std::string& key) {
  return key.substr(std::min(OwnerOf(key).size() + 1, key.size()));
}

const absl::Status& StatusOf(const absl::Status& status) {
  return status;
}

const absl::Status& StatusOf(const absl::StatusOr<BlockInfo>& result) {
  return result.status();
}

class Translator {
 public:
  explicit Translator(Discretion discretion)
      : folder_(WithoutSlashes(std::move(discretion.folder))), on_hidden_(std::move(discretion.on_hidden)) {}

  // `key`: of the block that the call was about; empty: of several.
  absl::Status Told(const absl::Status& status, const std::string& key = {}) const {
    if (status.ok()) return status;
    std::string text = WithoutPaths(status.message());
    const bool for_operators = !OperatorText(status).empty();
    if (text != status.message() || for_operators) on_hidden_(key, status);
    if (!key.empty()) text = absl::StrReplaceAll(text, {{key, KeyOfClient(key)}});
    return text == status.message() && !for_operators ? status : absl::Status(status.code(), text);
  }

  template <typename T>
  absl::StatusOr<T> Told(absl::StatusOr<T> result, const std::string& key = {}) const {
    if (result.ok()) return result;
    return Told(result.status(), key);
  }

  // Of calls that are about what is under a key: who asked for it is told which one that was.
  absl::Status ToldOfKey(const absl::Status& status, const std::string& key) const {
    if (!absl::IsNotFound(status)) return Told(status, key);
    return absl::NotFoundError(absl::StrCat("nothing is stored under the key ", KeyOfClient(key)));
  }

  template <typename T>
  absl::StatusOr<T> ToldOfKey(absl::StatusOr<T> result, const std::string& key) const {
    if (result.ok()) return result;
    return ToldOfKey(result.status(), key);
  }

 private:
  // Names of files of a store have neither spaces nor colons, so that a path ends where the text goes on.  In a key
  // that has the name of the folder within it, something else stands before it than before a path.
  std::string WithoutPaths(absl::string_view message) const {
    std::string text(message);
    if (folder_.empty()) return text;
    constexpr std::string_view kReplacement = "a file of the store", kBefore = " \"'(";
    const std::string start = folder_ + "/";
    for (std::size_t at = text.find(start); at != std::string::npos; at = text.find(start, at + 1)) {
      if (at > 0 && kBefore.find(text[at - 1]) == std::string_view::npos) continue;
      const std::size_t end = std::min(text.find_first_of(" :", at + start.size()), text.size());
      text.replace(at, end - at, kReplacement);
    }
    return text;
  }

  const std::string folder_;
  const decltype(Discretion::on_hidden) on_hidden_;
};

class DiscreetUpload final : public UploadWrapper {
 public:
  DiscreetUpload(std::unique_ptr<Upload> upload, const Translator& translator)
      : UploadWrapper(std::move(upload)), translator_(translator) {}

  absl::Status Append(std::span<const std::byte> bytes, const CallControl& control) override {
    return translator_.Told(upload_->Append(bytes, control), key());
  }
  absl::Status Read(std::uint64_t offset, std::span<std::byte> out, const CallControl& control) override {
    return translator_.Told(upload_->Read(offset, out, control), key());
  }
  absl::Status KeepInput(std::uint64_t offset, std::span<const std::span<const std::byte>> parts) override {
    return translator_.Told(upload_->KeepInput(offset, parts), key());
  }
  absl::StatusOr<KeptInput> ReadInput(const CallControl& control) override {
    return translator_.Told(upload_->ReadInput(control), key());
  }
  absl::Status Seal(const CallControl& control) override { return translator_.Told(upload_->Seal(control), key()); }
  absl::StatusOr<BlockInfo> Commit(const PutOptions& options, const CallControl& control) override {
    return translator_.Told(upload_->Commit(options, control), key());
  }
  absl::Status Abort() override { return translator_.Told(upload_->Abort(), key()); }

 private:
  const Translator& translator_;
};

class DiscreetReader final : public ReaderWrapper {
 public:
  DiscreetReader(std::shared_ptr<const BlockReader> reader, const Translator& translator)
      : ReaderWrapper(std::move(reader)), translator_(translator) {}

  absl::Status Read(std::uint64_t offset, std::span<std::byte> out, const CallControl& control) const override {
    return translator_.Told(reader_->Read(offset, out, control), info().key);
  }

 private:
  const Translator& translator_;
};

class DiscreetStore final : public BlockStore {
 public:
  DiscreetStore(std::unique_ptr<BlockStore> store, Discretion discretion)
      : translator_(std::move(discretion)), store_(std::move(store)) {}

  absl::StatusOr<std::unique_ptr<Upload>> Begin(const UploadStart& start, const CallControl& control) override {
    return Discreet(translator_.Told(store_->Begin(start, control), start.key));
  }
  absl::StatusOr<std::unique_ptr<Upload>> Resume(const std::string& upload_id, const std::string& owner,
                                                 const CallControl& control) override {
    return Discreet(translator_.Told(store_->Resume(upload_id, owner, control)));
  }

  std::vector<absl::StatusOr<BlockInfo>> PutMany(std::span<const SmallBlock> blocks,
                                                 const CallControl& control) override {
    std::vector<absl::StatusOr<BlockInfo>> results = store_->PutMany(blocks, control);
    for (std::size_t i = 0; i < results.size(); ++i) {
      if (!results[i].ok()) results[i] = translator_.Told(results[i].status(), blocks[i].key);
    }
    return results;
  }

  absl::StatusOr<std::shared_ptr<const BlockReader>> Open(const std::string& key, const CallControl& control) override {
    DCAC_ASSIGN_OR_RETURN(std::shared_ptr<const BlockReader> reader,
                          translator_.ToldOfKey(store_->Open(key, control), key));
    return std::make_shared<DiscreetReader>(std::move(reader), translator_);
  }

  std::vector<absl::StatusOr<BlockInfo>> Stat(std::span<const std::string> keys, const CallControl& control) override {
    return ToldOfKeys(store_->Stat(keys, control), keys);
  }
  absl::StatusOr<ListPage> List(const ListRequest& request, const CallControl& control) override {
    return translator_.Told(store_->List(request, control));
  }
  std::vector<absl::Status> Delete(std::span<const std::string> keys, const CallControl& control) override {
    return ToldOfKeys(store_->Delete(keys, control), keys);
  }
  absl::StatusOr<BlockInfo> Update(const std::string& key, const BlockUpdate& update,
                                   const CallControl& control) override {
    return translator_.ToldOfKey(store_->Update(key, update, control), key);
  }
  absl::StatusOr<Usage> ReadUsage(const std::string& prefix, const CallControl& control) override {
    return translator_.Told(store_->ReadUsage(prefix, control));
  }
  absl::StatusOr<ScrubPage> Scrub(const ScrubRequest& request, const CallControl& control) override {
    return translator_.Told(store_->Scrub(request, control));
  }
  absl::Status Maintain(const CallControl& control) override { return translator_.Told(store_->Maintain(control)); }
  StoreStatus Status() const override { return store_->Status(); }
  std::uint64_t block_memory_bytes() const override { return store_->block_memory_bytes(); }

 private:
  absl::StatusOr<std::unique_ptr<Upload>> Discreet(absl::StatusOr<std::unique_ptr<Upload>> upload) const {
    DCAC_RETURN_IF_ERROR(upload.status());
    return std::make_unique<DiscreetUpload>(*std::move(upload), translator_);
  }

  template <typename Result>
  std::vector<Result> ToldOfKeys(std::vector<Result> results, std::span<const std::string> keys) const {
    for (std::size_t i = 0; i < results.size(); ++i) {
      if (!results[i].ok()) results[i] = translator_.ToldOfKey(StatusOf(results[i]), keys[i]);
    }
    return results;
  }

  const Translator translator_;
  const std::unique_ptr<BlockStore> store_;
};

}  // namespace

std::unique_ptr<BlockStore> MakeDiscreetStore(std::unique_ptr<BlockStore> store, Discretion discretion) {
  return std::make_unique<DiscreetStore>(std::move(store), std::move(discretion));
}

}  // namespace dcac::store
