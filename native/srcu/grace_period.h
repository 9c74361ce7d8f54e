// The scans that make up a grace period. Internal to native/srcu.
#pragma once

#include "native/srcu/state.h"

namespace nvmem::srcu::detail {

/// No scope that began before sequence number `target` is open.
inline bool stamps_passed(const DomainState& domain, std::uint64_t target) noexcept {
  for (const ReaderSlot* slot = domain.slots.load(std::memory_order_acquire); slot != nullptr;
       slot = slot->next) {
    const std::uint64_t stamp = slot->stamp.load(std::memory_order_acquire);
    if (stamp != 0 && stamp < target) return false;
  }
  return true;
}

/// Every hold counted on `index` when the scan began has ended. Ends are summed before beginnings: each end
/// seen has its beginning seen, so equal sums leave no hold out; the other way round they could.
inline bool drained(const DomainState& domain, std::uint32_t index) noexcept {
  std::uint64_t unlocks = 0;
  for (const ReaderSlot* slot = domain.slots.load(std::memory_order_acquire); slot != nullptr;
       slot = slot->next) {
    unlocks += slot->unlocks[index].load(std::memory_order_acquire);
  }
  std::uint64_t locks = 0;
  for (const ReaderSlot* slot = domain.slots.load(std::memory_order_acquire); slot != nullptr;
       slot = slot->next) {
    locks += slot->locks[index].load(std::memory_order_acquire);
  }
  return locks == unlocks;
}

/// A whole grace period on the calling thread. Gives up, and says false, after `patience` looks at sections
/// that have not ended (0: at the first), or where another thread is in here and patience is 0.
bool attempt(DomainState& domain, unsigned patience) noexcept;

// The same for the grace-period thread, in steps that never wait. Its holds need the change of index in the
// middle: new ones stop feeding the sum being waited for.

/// Numbers the domain's next grace period. The caller issues a fence before the first advance().
void begin(DomainState& domain, Nanoseconds now) noexcept;
/// True when it got further. Phase::kDone: the grace period is over.
bool advance(DomainState& domain) noexcept;

}  // namespace nvmem::srcu::detail
