// The memory behind a domain: what readers mark and grace periods scan. Internal to native/srcu.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>

#include "native/srcu/fence.h"
#include "native/util/clock.h"

namespace nvmem::srcu {

/// A callback's place in a queue, embedded in what it will free (the kernel's rcu_head).
struct Head {
  void (*invoke)(Head* head) noexcept = nullptr;
  Head* next = nullptr;
};

namespace detail {

struct DomainState;
struct ThreadRecord;

/// Two lines, because the adjacent-line prefetcher couples pairs of them.
inline constexpr std::size_t kIsolation = 128;

/// The marks of one thread in one domain. Only that thread writes the atomics, so no read-modify-write is
/// needed. Never freed while the domain lives; handed to another thread with its counters kept, so that the
/// sums stay right.
struct alignas(kIsolation) ReaderSlot {
  std::atomic<std::uint64_t> stamp{0};      ///< 0, or the grace-period sequence seen by the outermost scope
  std::atomic<std::uint64_t> locks[2]{};    ///< holds taken by this thread, by index
  std::atomic<std::uint64_t> unlocks[2]{};  ///< holds ended by this thread, by index
  DomainState* domain = nullptr;            ///< fixed
  ReaderSlot* next = nullptr;               ///< the domain's slots; fixed once the slot is in the list
  std::atomic<pid_t> thread{0};             ///< for reports
  // Under the registry lock:
  ReaderSlot* next_free = nullptr;
  ThreadRecord* owner = nullptr;
  ReaderSlot* owner_next = nullptr;
  ReaderSlot** owner_link = nullptr;
};
static_assert(sizeof(ReaderSlot) == kIsolation);

/// A labelled hold, so that a stall can be blamed on somebody.
struct HoldRecord {
  HoldRecord* next = nullptr;
  HoldRecord** link = nullptr;
  Nanoseconds since = 0;
  pid_t thread = 0;
  char label[40] = {};
};

/// How far the grace-period thread is with a domain.
enum class Phase : std::uint8_t { kStart, kStamps, kInactive, kActive, kDone };

struct DomainState {
  // Read-mostly, one line: everything a reader loads.
  alignas(kIsolation) std::atomic<std::uint64_t> sequence{1};
  std::atomic<std::uint32_t> index{0};      ///< which of the two counters new holds use
  std::atomic<bool> light{false};           ///< readers may use the light fence
  std::uint64_t id = 0;                     ///< never used twice in a process
  std::atomic<ReaderSlot*> slots{nullptr};  ///< pushed only

  alignas(kIsolation) std::atomic<std::int64_t> references{1};
  bool automatic = true;  ///< may leave symmetric mode
  /// One caller's grace period at a time, so that nobody is in one when the mode changes.
  std::mutex update;
  bool heavy = false;  ///< updaters use the heavy fence; under `update`, written by the grace-period thread

  std::mutex queue_lock;
  Head* queue = nullptr;
  Head** queue_tail = &queue;
  bool collected = false;  ///< the grace-period thread has a reference and will look at the queue

  std::mutex holds_lock;
  HoldRecord* holds = nullptr;
  Nanoseconds longest_hold = 0;  ///< of the labelled ones that have ended; under holds_lock

  std::atomic<std::uint64_t> grace_periods{0};  ///< ended
  std::atomic<Nanoseconds> longest_grace_period{0};

  // The grace-period thread's own.
  DomainState* next_active = nullptr;
  Phase phase = Phase::kStart;
  std::uint64_t target = 0;
  std::uint32_t draining = 0;
  Head* batch = nullptr;
  Nanoseconds started = 0;
  Nanoseconds warn_at = 0;
  Nanoseconds warn_interval = 0;
  bool ending = false;  ///< nobody refers to it: freed after its last grace period

  // Under the registry lock.
  ReaderSlot* free_slots = nullptr;
  DomainState* registry_next = nullptr;
  DomainState** registry_link = nullptr;

  /// For threads that end a hold here without having a slot; the only one that is added to atomically.
  ReaderSlot shared;
};

/// A grace period of `domain` has ended after that time. Any thread.
void count_grace_period(DomainState& domain, Nanoseconds took) noexcept;

/// A section's mark must be ordered before the loads of what it protects.
inline void order_entry(const DomainState& domain) noexcept {
  // Acquire: a reader that finds `light` set also finds everything unpublished before the mode was changed.
  if (domain.light.load(std::memory_order_acquire)) [[likely]] {
    light_fence();
  } else {
    full_fence();
  }
}

/// A reference more, or less; the last one frees the domain when its sections have ended.
inline void retain(DomainState* domain) noexcept {
  domain->references.fetch_add(1, std::memory_order_relaxed);
}
void release(DomainState* domain) noexcept;

}  // namespace detail
}  // namespace nvmem::srcu
