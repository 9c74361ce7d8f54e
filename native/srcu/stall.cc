#include "native/srcu/stall.h"

#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <mutex>

#include "native/srcu/section.h"

namespace nvmem::srcu {
namespace {

void print(const StallReport& report, void* /*context*/) noexcept {
  const double waiting = static_cast<double>(report.waiting) / static_cast<double>(kSecond);
  const double age = static_cast<double>(report.age) / static_cast<double>(kSecond);
  switch (report.kind) {
    case StallReport::Kind::kScope:
      std::fprintf(stderr, "nvmem: srcu domain %" PRIu64 ": grace period waiting %.1f s for thread %d\n",
                   report.domain, waiting, report.thread);
      break;
    case StallReport::Kind::kHold:
      std::fprintf(stderr,
                   "nvmem: srcu domain %" PRIu64
                   ": grace period waiting %.1f s for '%s' (%.1f s old, thread %d)\n",
                   report.domain, waiting, report.label, age, report.thread);
      break;
    case StallReport::Kind::kUnlabelledHolds:
      std::fprintf(stderr,
                   "nvmem: srcu domain %" PRIu64 ": grace period waiting %.1f s for %" PRIu64 " hold(s)\n",
                   report.domain, waiting, report.count);
      break;
    case StallReport::Kind::kThreadExit:
      std::fprintf(stderr, "nvmem: srcu domain %" PRIu64 ": thread %d ended inside a scope\n", report.domain,
                   report.thread);
      break;
  }
}

/// Leaked: the grace-period thread outlives static destructors.
struct Handler {
  std::mutex lock;
  StallHandler call = print;
  void* context = nullptr;
  std::atomic<Nanoseconds> after{kDefaultStallAge};
};

Handler& handler() noexcept {
  static Handler* const instance = new Handler;
  return *instance;
}

}  // namespace

void set_stall_handler(StallHandler call, void* context, Nanoseconds after) noexcept {
  Handler& current = handler();
  {
    const std::lock_guard lock(current.lock);
    current.call = call != nullptr ? call : print;
    current.context = context;
    current.after.store(after, std::memory_order_relaxed);
  }
  detail::wake_collector();
}

namespace detail {

Nanoseconds stall_age() noexcept { return handler().after.load(std::memory_order_relaxed); }

void report_exit_inside(std::uint64_t domain, pid_t thread) noexcept {
  Handler& current = handler();
  const std::lock_guard lock(current.lock);
  current.call({StallReport::Kind::kThreadExit, domain, 0, 0, thread, "", 1}, current.context);
}

void report_stall(DomainState& domain, Nanoseconds now) noexcept {
  Handler& current = handler();
  const std::lock_guard lock(current.lock);
  const Nanoseconds waiting = now - domain.started;
  std::uint64_t locks = 0;
  std::uint64_t unlocks = 0;
  for (ReaderSlot* slot = domain.slots.load(std::memory_order_acquire); slot != nullptr; slot = slot->next) {
    const std::uint64_t stamp = slot->stamp.load(std::memory_order_acquire);
    if (stamp != 0 && stamp < domain.target) {
      current.call({StallReport::Kind::kScope, domain.id, waiting, waiting,
                    slot->thread.load(std::memory_order_relaxed), "", 1},
                   current.context);
    }
    unlocks +=
        slot->unlocks[0].load(std::memory_order_acquire) + slot->unlocks[1].load(std::memory_order_acquire);
  }
  for (ReaderSlot* slot = domain.slots.load(std::memory_order_acquire); slot != nullptr; slot = slot->next) {
    locks += slot->locks[0].load(std::memory_order_acquire) + slot->locks[1].load(std::memory_order_acquire);
  }
  std::uint64_t labelled = 0;
  {
    const std::lock_guard holds(domain.holds_lock);
    for (const HoldRecord* hold = domain.holds; hold != nullptr; hold = hold->next) {
      ++labelled;
      current.call(
          {StallReport::Kind::kHold, domain.id, waiting, now - hold->since, hold->thread, hold->label, 1},
          current.context);
    }
  }
  // Sums of a moving target, so an estimate while holds come and go.
  if (locks - unlocks > labelled && locks > unlocks) {
    current.call(
        {StallReport::Kind::kUnlabelledHolds, domain.id, waiting, waiting, 0, "", locks - unlocks - labelled},
        current.context);
  }
}

}  // namespace detail
}  // namespace nvmem::srcu
