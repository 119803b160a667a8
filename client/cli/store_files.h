// Files on their way to the store of a server and back.
#ifndef DCAC_CLIENT_CLI_STORE_FILES_H_
#define DCAC_CLIENT_CLI_STORE_FILES_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/files/archive.h"
#include "core/files/byte_stream.h"
#include "dcac/client_store.h"
#include "dcac/frame_info.h"
#include "dcac/slice.h"

namespace dcac::cli {

// A file without a name, in the folder for temporary files, that is gone when this is.  Written from its start on.
class TemporaryFile final : public files::ByteSink, public files::RandomSource {
 public:
  static absl::StatusOr<TemporaryFile> Create();
  TemporaryFile(TemporaryFile&& other) noexcept;
  TemporaryFile& operator=(TemporaryFile&&) = delete;
  ~TemporaryFile() override;

  absl::Status Write(std::span<const std::byte> data) override;
  std::uint64_t size() const override { return size_; }
  absl::Status ReadAt(std::uint64_t offset, std::span<std::byte> out) const override;

  FrameAccess Access() const;  // must not outlive this

 private:
  explicit TemporaryFile(int fd) : fd_(fd) {}
  int fd_;
  std::uint64_t size_ = 0;
};

// What is stored under a key, read where it is needed.  The store must outlive it.
class StoredBytes final : public files::RandomSource {
 public:
  StoredBytes(const client::Store& store, client::StoredObject object) : store_(store), object_(std::move(object)) {}
  std::uint64_t size() const override { return object_.stored_bytes; }
  absl::Status ReadAt(std::uint64_t offset, std::span<std::byte> out) const override;

 private:
  const client::Store& store_;
  const client::StoredObject object_;
};

absl::StatusOr<Digest> DigestOf(const FrameAccess& bytes);

// A file that is stored as an archive.
struct StoredFile {
  client::StoredObject object;
  files::ArchiveKind kind;
};

// What is stored under the key, if that restores `file`, whatever options it was compressed with.  The digests in the
// archive tell: no more of it is fetched than its table and the ends of its frames.
absl::StatusOr<std::optional<StoredFile>> FindStoredFile(const client::Store& store, const std::string& key,
                                                         const files::FileSource& file);

// Transfers of files wait for a server that restarts.
inline constexpr client::RetryOptions kPatientRetry{.max_attempts = 12, .reconnect_timeout = std::chrono::seconds(30)};

// Marks errors of servers that are not about the one object.
absl::Status FromStore(const absl::Status& status);

// "prefix/", whether or not `prefix` ends so.
std::string FolderPrefix(std::string_view prefix);

// The path below a folder that a key stands for, which does not lead out of it.
// Errors: InvalidArgument (parts that are empty, "." or "..").
absl::StatusOr<std::string> PathOfKey(std::string_view key, std::string_view folder_prefix);

}  // namespace dcac::cli

#endif  // DCAC_CLIENT_CLI_STORE_FILES_H_
