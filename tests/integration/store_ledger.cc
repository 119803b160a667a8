#include "tests/integration/store_ledger.h"

namespace dcac::testing {

void StoreLedger::Begin(const std::string& key, Content content) {
  const std::lock_guard lock(mutex_);
  possible_.try_emplace(key, std::set<Content>{std::nullopt}).first->second.insert(content);
}

void StoreLedger::Acknowledge(const std::string& key, Content content) {
  const std::lock_guard lock(mutex_);
  possible_[key] = {content};
}

bool StoreLedger::Settle(const std::string& key, Content content) {
  if (!IsPossible(key, content)) return false;
  Acknowledge(key, content);
  return true;
}

bool StoreLedger::IsPossible(const std::string& key, Content content) const {
  const std::lock_guard lock(mutex_);
  const auto found = possible_.find(key);
  return found == possible_.end() ? !content : found->second.contains(content);
}

std::vector<std::string> StoreLedger::Keys() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> keys;
  for (const auto& [key, possible] : possible_) keys.push_back(key);
  return keys;
}

}  // namespace dcac::testing
