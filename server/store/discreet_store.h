// A store whose errors may be told to clients.
#ifndef DCAC_SERVER_STORE_DISCREET_STORE_H_
#define DCAC_SERVER_STORE_DISCREET_STORE_H_

#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "server/store/block_store.h"

namespace dcac::store {

struct Discretion {
  std::string folder;  // of the store's files, whose paths are not told; empty: there is none
  // Is told of errors that named such paths, or had something to tell operators alone, as they were; `key` is empty
  // where it is not known.  Thread-safe.
  std::function<void(const std::string& key, const absl::Status& error)> on_hidden = [](const std::string&,
                                                                                        const absl::Status&) {};
};

// Its errors have the codes and causes of those of `store`, but name neither a path of its folder nor the owner of a
// key, nor have they anything for operators (operator_text.h): keys are what follows the owner, as clients know them.
// Pages and blocks stay as they are.
std::unique_ptr<BlockStore> MakeDiscreetStore(std::unique_ptr<BlockStore> store, Discretion discretion);

}  // namespace dcac::store

#endif  // DCAC_SERVER_STORE_DISCREET_STORE_H_
