// The connections of a client, which calls take turns on.
#ifndef DCAC_CLIENT_INTERNAL_CONNECTION_POOL_H_
#define DCAC_CLIENT_INTERNAL_CONNECTION_POOL_H_

#include <atomic>
#include <cstddef>
#include <memory>
#include <vector>

#include "client/internal/connection.h"

namespace dcac::client::internal {

// Thread-safe.
class ConnectionPool {
 public:
  // At least one.
  explicit ConnectionPool(std::vector<std::unique_ptr<Connection>> connections);

  std::size_t size() const { return connections_.size(); }

  // Whether any one is ready, or gets ready within a few milliseconds.
  bool AwaitReady() const;

  // The next one in turn that is ready and not `avoid`, on which a call just failed; the next one in turn where there
  // is no such one.
  Connection& Next(const Connection* avoid);

 private:
  const std::vector<std::unique_ptr<Connection>> connections_;
  std::atomic<std::size_t> turn_{0};
};

}  // namespace dcac::client::internal

#endif  // DCAC_CLIENT_INTERNAL_CONNECTION_POOL_H_
