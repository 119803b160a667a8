#include "client/internal/connection_pool.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace dcac::client::internal {

ConnectionPool::ConnectionPool(std::vector<std::unique_ptr<Connection>> connections)
    : connections_(std::move(connections)) {}

bool ConnectionPool::AwaitReady() const {
  if (std::ranges::any_of(connections_, [](const auto& connection) { return connection->ready(); })) return true;
  return std::ranges::any_of(connections_, [](const auto& connection) {
    return connection->WaitUntilReady(std::chrono::system_clock::now() + kConnectSlice);
  });
}

Connection& ConnectionPool::Next(const Connection* avoid) {
  const std::size_t first = turn_.fetch_add(1, std::memory_order_relaxed);
  if (size() == 1) return *connections_.front();
  for (std::size_t i = 0; i < size(); ++i) {
    Connection& connection = *connections_[(first + i) % size()];
    if (&connection != avoid && connection.ready()) return connection;
  }
  return *connections_[first % size()];
}

}  // namespace dcac::client::internal
