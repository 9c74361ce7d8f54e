#include "native/slot/shares.h"

#include <sys/random.h>

#include <cerrno>
#include <cstdint>
#include <mutex>
#include <unordered_map>
#include <utility>

namespace nvmem::shares {
namespace {

struct Entry {
  std::weak_ptr<Slot> slot;
  std::string facts;
};

/// Leaked: threads may come here until the last instruction of the process.
struct Table {
  std::mutex mutex;
  std::unordered_map<std::string, Entry> entries;
};

Table& table() noexcept {
  static auto* const instance = new Table;
  return *instance;
}

}  // namespace

Result<std::string> new_token() {
  std::uint8_t bits[16] = {};
  ssize_t got = 0;
  do {
    got = ::getrandom(bits, sizeof bits, 0);
  } while (got < 0 && errno == EINTR);
  if (got < 0) return Status(-errno);
  // The kernel gives up to 256 bytes whole.
  if (got != static_cast<ssize_t>(sizeof bits)) return Status(-EIO);
  std::string token;
  for (const std::uint8_t byte : bits) {
    token += "0123456789abcdef"[byte >> 4];
    token += "0123456789abcdef"[byte & 15];
  }
  return token;
}

void publish(const std::string& token, const std::shared_ptr<Slot>& slot, std::string facts) {
  Table& all = table();
  const std::lock_guard lock(all.mutex);
  all.entries.insert_or_assign(token, Entry{slot, std::move(facts)});
}

void forget(const std::string& token) noexcept {
  if (token.empty()) return;
  Table& all = table();
  const std::lock_guard lock(all.mutex);
  all.entries.erase(token);
}

std::optional<Slot::Shared> find(const std::string& token) {
  Table& all = table();
  const std::lock_guard lock(all.mutex);
  const auto found = all.entries.find(token);
  if (found == all.entries.end()) return std::nullopt;
  std::shared_ptr<Slot> slot = found->second.slot.lock();
  if (slot == nullptr) return std::nullopt;
  return Slot::Shared{std::move(slot), found->second.facts};
}

std::size_t count() noexcept {
  Table& all = table();
  const std::lock_guard lock(all.mutex);
  return all.entries.size();
}

}  // namespace nvmem::shares
