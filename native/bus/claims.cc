#include "native/bus/claims.h"

#include <algorithm>
#include <list>
#include <mutex>

#include "native/bus/bus.h"

namespace nvmem {

/// Leaked: threads may come here until the last instruction of the process.
struct ClaimTable {
  struct Entry {
    std::uint64_t number;
    std::weak_ptr<Bus> bus;
    PartUse use;
    std::shared_ptr<Turns> turns;
  };
  std::mutex mutex;
  std::uint64_t last_number = 0;
  std::list<Entry> entries;

  static ClaimTable& get() noexcept {
    static auto* const instance = new ClaimTable;
    return *instance;
  }
  static std::shared_ptr<Claim> make(std::uint64_t number, std::shared_ptr<Turns> turns) {
    return std::shared_ptr<Claim>(new Claim(number, std::move(turns)));
  }
};

namespace {

bool has_gone(const std::weak_ptr<Bus>& bus) {
  const std::shared_ptr<Bus> open = bus.lock();
  if (open == nullptr) return true;
  const Bus::State state = open->state();
  return state == Bus::State::kGone || state == Bus::State::kClosed;
}

const PartUse::Address* at(const PartUse& use, std::uint8_t address) {
  const auto found = std::find_if(use.addresses.begin(), use.addresses.end(),
                                  [address](const PartUse::Address& one) { return one.address == address; });
  return found == use.addresses.end() ? nullptr : &*found;
}

}  // namespace

std::variant<std::shared_ptr<Claim>, std::string> claim_part(const std::shared_ptr<Bus>& bus, PartUse use) {
  ClaimTable& all = ClaimTable::get();
  const std::lock_guard lock(all.mutex);
  all.entries.remove_if([](const ClaimTable::Entry& entry) { return has_gone(entry.bus); });
  std::shared_ptr<Turns> turns;
  for (const ClaimTable::Entry& entry : all.entries) {
    if (entry.use.wire != use.wire) continue;
    for (const PartUse::Address& mine : use.addresses) {
      const PartUse::Address* const theirs = at(entry.use, mine.address);
      if (theirs == nullptr) continue;
      if (theirs->as != mine.as) return entry.use.holder;
      if (turns == nullptr && !mine.as.starts_with('*')) turns = entry.turns;
    }
  }
  if (turns == nullptr) turns = std::make_shared<Turns>();
  const std::uint64_t number = ++all.last_number;
  all.entries.push_back({number, bus, std::move(use), turns});
  return ClaimTable::make(number, std::move(turns));
}

void name_claim(std::uint64_t number, std::string holder) noexcept {
  ClaimTable& all = ClaimTable::get();
  const std::lock_guard lock(all.mutex);
  for (ClaimTable::Entry& entry : all.entries) {
    if (entry.number == number) entry.use.holder = std::move(holder);
  }
}

void Claim::release() noexcept {
  ClaimTable& all = ClaimTable::get();
  const std::lock_guard lock(all.mutex);
  all.entries.remove_if([this](const ClaimTable::Entry& entry) { return entry.number == number_; });
}

}  // namespace nvmem
