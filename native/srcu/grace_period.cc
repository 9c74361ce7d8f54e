#include "native/srcu/grace_period.h"

#include <sched.h>

namespace nvmem::srcu::detail {
namespace {

template <class Condition>
bool wait_for(unsigned& patience, Condition&& condition) noexcept {
  // The last few looks let a preempted reader run instead of burning its time slice.
  constexpr unsigned kLastYields = 4;
  while (!condition()) {
    if (patience == 0) return false;
    if (patience-- > kLastYields) {
      relax_cpu();
    } else {
      ::sched_yield();
    }
  }
  return true;
}

}  // namespace

bool attempt(DomainState& domain, unsigned patience) noexcept {
  if (kVariant == Variant::kNoGracePeriod) return true;
  std::unique_lock lock(domain.update, std::defer_lock);
  if (patience == 0) {
    if (!lock.try_lock()) return false;
  } else {
    lock.lock();
  }
  const std::uint64_t target = domain.sequence.fetch_add(1, std::memory_order_seq_cst) + 1;
  // One fence serves every scan below: later looks only have to see marks that were made before it.
  if (domain.heavy) {
    heavy_fence();
  } else {
    full_fence();
  }
  // Scopes before holds: a hold that a scope was upgraded to is visible once the scope's stamp is gone.
  const auto scopes = [&] { return wait_for(patience, [&] { return stamps_passed(domain, target); }); };
  const auto holds = [&](std::uint32_t index) {
    return wait_for(patience, [&] { return drained(domain, index); });
  };
  // Both sums: a reader may have read the index long ago and count on either.
  if (kVariant == Variant::kCountersFirst) {
    if (!holds(0) || !holds(1)) return false;
    NVMEM_SRCU_WINDOW(between_scans);
    return scopes();
  } else if (kVariant == Variant::kOneIndex) {
    return scopes() && holds(domain.index.load(std::memory_order_relaxed) & 1);
  } else {
    if (!scopes()) return false;
    NVMEM_SRCU_WINDOW(between_scans);
    return holds(0) && holds(1);
  }
}

void begin(DomainState& domain, Nanoseconds now) noexcept {
  domain.target = domain.sequence.fetch_add(1, std::memory_order_seq_cst) + 1;
  domain.phase = Phase::kStamps;
  domain.started = now;
}

bool advance(DomainState& domain) noexcept {
  if (kVariant == Variant::kNoGracePeriod) {
    domain.phase = Phase::kDone;
    return true;
  }
  const Phase before = domain.phase;
  if (kVariant == Variant::kCountersFirst) {
    if (domain.phase == Phase::kStamps) {
      if (!drained(domain, 0) || !drained(domain, 1)) return false;
      NVMEM_SRCU_WINDOW(between_scans);
      domain.phase = Phase::kActive;
    }
    if (!stamps_passed(domain, domain.target)) return domain.phase != before;
    domain.phase = Phase::kDone;
    return true;
  }
  if (domain.phase == Phase::kStamps) {
    // Scopes before holds, as in attempt().
    if (!stamps_passed(domain, domain.target)) return false;
    NVMEM_SRCU_WINDOW(between_scans);
    domain.draining = domain.index.load(std::memory_order_relaxed) ^ 1;
    domain.phase = Phase::kInactive;
  }
  if (domain.phase == Phase::kInactive) {
    if (kVariant != Variant::kOneIndex && !drained(domain, domain.draining)) return domain.phase != before;
    // Only for progress: without it readers that come and go could keep the sum from ever coming out.
    domain.index.store(domain.draining, std::memory_order_release);
    domain.draining ^= 1;
    domain.phase = Phase::kActive;
  }
  if (domain.phase == Phase::kActive) {
    if (!drained(domain, domain.draining)) return domain.phase != before;
    domain.phase = Phase::kDone;
  }
  return domain.phase != before;
}

}  // namespace nvmem::srcu::detail
