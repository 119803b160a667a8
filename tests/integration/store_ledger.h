// What objects a store may hold, seen by those who put and delete them while its server may die.
#ifndef DCAC_TESTS_INTEGRATION_STORE_LEDGER_H_
#define DCAC_TESTS_INTEGRATION_STORE_LEDGER_H_

#include <grpcpp/grpcpp.h>

#include <cstddef>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "dcac/tensor.h"
#include "tests/integration/fixture.h"
#include "tests/integration/store_calls.h"

namespace dcac::testing {

// What objects are made of.
struct StoreContent {
  Tensor tensor;
  Bytes frame;
};

// From some hundred bytes to megabytes; noise, so that frames are as large.
std::vector<StoreContent> StoreContents();
// Of the one with these bytes; that of none: how many there are.
std::size_t NumberOf(const std::vector<StoreContent>& contents, const Bytes& bytes);

// Contents are told apart by numbers; nothing: there is no object.  Thread-safe, but of a key one change at a time.
class StoreLedger {
 public:
  using Content = std::optional<std::size_t>;

  // A change of a key begins: from now on, either is possible.
  void Begin(const std::string& key, Content content);
  // It was acknowledged.
  void Acknowledge(const std::string& key, Content content);
  // Deletes what is under a key; that nothing is there is OK, unless that is not possible.
  grpc::Status Delete(const StoreClient& client, const std::string& key);
  // What was found, to be what there is from now on; false: that is not possible.
  bool Settle(const std::string& key, Content content);

  bool IsPossible(const std::string& key, Content content) const;
  std::vector<std::string> Keys() const;

 private:
  mutable std::mutex mutex_;
  std::map<std::string, std::set<Content>> possible_;
};

}  // namespace dcac::testing

#endif  // DCAC_TESTS_INTEGRATION_STORE_LEDGER_H_
