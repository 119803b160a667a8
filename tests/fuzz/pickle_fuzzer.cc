// Input: a pickle, as torch.save has it.
#include "core/files/pickle.h"

#include "core/files/torch_file.h"
#include "tests/fuzz/fuzz.h"

namespace dcac::files {
namespace {

void CheckGraph(const Pickle& pickle) {
  DCAC_FUZZ_REQUIRE(pickle.nodes.size() <= kMaxPickleNodes && pickle.root < pickle.nodes.size());
  std::size_t edges = 0;
  for (const PickleNode& node : pickle.nodes) {
    edges += node.items.size();
    for (const PickleRef item : node.items) DCAC_FUZZ_REQUIRE(item < pickle.nodes.size());
  }
  DCAC_FUZZ_REQUIRE(edges <= kMaxPickleEdges);
}

void Check(std::span<const std::byte> data) {
  const auto pickle = ReadPickle(data, [](std::string_view, std::string_view) { return true; });
  if (pickle.ok()) CheckGraph(*pickle);
  const auto storages = ReadTorchStorages(data);
  fuzz::CountOutcome(storages.status());
  if (!storages.ok()) {
    DCAC_FUZZ_REQUIRE(storages.status().code() == absl::StatusCode::kInvalidArgument);
    return;
  }
  DCAC_FUZZ_REQUIRE(pickle.ok());
  for (const auto& [key, storage] : *storages)
    DCAC_FUZZ_REQUIRE(TensorBytes({storage.dtype, storage.shape, Layout::kFlat}).ok());
}

}  // namespace
}  // namespace dcac::files

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  dcac::files::Check(dcac::fuzz::InputBytes(data, size));
  return 0;
}
