// The file in which an upload that broke off keeps input that is not in its payload yet.
//
//   magic | id | offset | size | input | XXH3-64 of all that     numbers: 8 bytes, little-endian
#ifndef DCAC_SERVER_STORE_INPUT_FILE_H_
#define DCAC_SERVER_STORE_INPUT_FILE_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/store/block_store.h"
#include "server/store/file_system.h"

namespace dcac::store {

// Bytes of a file with such input.
std::uint64_t InputFileBytes(std::span<const std::span<const std::byte>> parts);

// Of a file that is empty.  Errors: those of the file.
absl::Status WriteInput(File& file, const std::string& id, std::uint64_t offset,
                        std::span<const std::span<const std::byte>> parts);

// Errors: DataLoss (damaged, cut off, of another id), those of the file.
absl::StatusOr<KeptInput> ReadInput(const File& file, const std::string& id);

}  // namespace dcac::store

#endif  // DCAC_SERVER_STORE_INPUT_FILE_H_
