// Reads the bytes of blocks and uploads from an S3 store, several ranges at a time, and compares their checksums.
#ifndef DCAC_SERVER_STORE_S3_READER_H_
#define DCAC_SERVER_STORE_S3_READER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "core/base/bytes.h"
#include "server/store/block_store.h"
#include "server/store/s3_block.h"
#include "server/store/s3_client.h"

namespace dcac::store {

// Where bytes are.
struct S3Bytes {
  std::string key;     // for messages
  std::string object;  // that has all of them behind `offset`; empty: they are in parts
  std::uint64_t offset = 0;
  std::string etag;   // of `object`
  std::string parts;  // with which the names of parts begin
  std::uint64_t size_bytes = 0;
  std::span<const std::uint64_t> checksums;
};

// `offset` and `out` must be within.  Errors: DataLoss, NotFound (deleted or replaced meanwhile), those of S3Client.
absl::Status ReadS3Bytes(S3Client& client, const S3Bytes& bytes, std::uint64_t offset, std::span<std::byte> out,
                         const CallControl& control);

// What was read of a block that is open.
struct S3Block {
  S3Head head;
  std::string object;  // where the head is
  std::string etag;
  std::uint64_t object_bytes = 0;
  // Of its bytes, as far as they came with the head: in `memory`.
  ByteSpan beginning;
  std::shared_ptr<const std::byte[]> memory;
  std::string change_etag;  // of the object with its changes; empty: there is none, or it was not looked for
  bool expired = false;     // the rest of its head is valid
  // Of its key, from the one in the object of the key on, each followed by the next: those before it, and its own if it
  // has expired.
  std::vector<std::string> expired_versions;
};

// `parts`: as in S3Bytes.  The client must outlive the reader.
std::shared_ptr<const BlockReader> MakeS3Reader(S3Client& client, S3Block block, std::string parts);

}  // namespace dcac::store

#endif  // DCAC_SERVER_STORE_S3_READER_H_
