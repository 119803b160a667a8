// The tensors of a zip file that torch.save wrote, by its pickle, of which nothing is executed.
#ifndef DCAC_CORE_FILES_TORCH_FILE_H_
#define DCAC_CORE_FILES_TORCH_FILE_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "dcac/tensor.h"

namespace dcac::files {

// A storage, the memory of one or many tensors, as a tensor: of the shape of the first view that covers it in the order
// of its bytes, otherwise of one axis.
struct TorchStorage {
  std::string name;  // where its first tensor is in the saved object: "model.layer1.weight", "[0].x"
  DType dtype = DType::kU8;
  std::vector<std::uint64_t> shape;
};

// The storages that `pickle`, the member data.pkl, refers to, by their keys: that of key K is the member data/K.
// Errors: InvalidArgument (ReadPickle refuses it, or what it says of a storage is malformed).
absl::StatusOr<std::map<std::string, TorchStorage, std::less<>>> ReadTorchStorages(std::span<const std::byte> pickle);

}  // namespace dcac::files

#endif  // DCAC_CORE_FILES_TORCH_FILE_H_
