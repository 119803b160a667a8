// What wrappers of a store's uploads and readers pass on as it is.
#ifndef DCAC_SERVER_STORE_WRAPPERS_H_
#define DCAC_SERVER_STORE_WRAPPERS_H_

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "server/store/block_store.h"

namespace dcac::store {

class UploadWrapper : public Upload {
 public:
  explicit UploadWrapper(std::unique_ptr<Upload> upload) : upload_(std::move(upload)) {}

  const std::string& id() const final { return upload_->id(); }
  const std::string& key() const final { return upload_->key(); }
  const std::string& state() const final { return upload_->state(); }
  std::uint64_t size_bytes() const final { return upload_->size_bytes(); }
  std::uint64_t kept_bytes() const final { return upload_->kept_bytes(); }

 protected:
  const std::unique_ptr<Upload> upload_;
};

class ReaderWrapper : public BlockReader {
 public:
  explicit ReaderWrapper(std::shared_ptr<const BlockReader> reader) : reader_(std::move(reader)) {}

  const BlockInfo& info() const final { return reader_->info(); }
  std::uint64_t memory_bytes() const final { return reader_->memory_bytes(); }

 protected:
  const std::shared_ptr<const BlockReader> reader_;
};

}  // namespace dcac::store

#endif  // DCAC_SERVER_STORE_WRAPPERS_H_
