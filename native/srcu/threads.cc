#include "native/srcu/threads.h"

#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdlib>
#include <new>

#include "native/srcu/collector.h"
#include "native/srcu/stall.h"

namespace nvmem::srcu::detail {

constinit thread_local ThreadRecord* t_thread = nullptr;

namespace {

constexpr std::uint64_t kSmallestTable = 8;

/// Leaked: threads and destructors of others may come here until the last instruction of the process.
struct Registry {
  std::mutex lock;
  pthread_key_t exit_key = 0;
  DomainState* domains = nullptr;
  std::uint64_t last_id = 0;
};

void thread_exits(void* record);

Registry& registry() noexcept {
  static Registry* const instance = [] {
    auto* made = new Registry;
    // A pthread key and not a thread_local object: its destructor runs after those of C++ thread_local
    // objects, which may still read, and not at all for the main thread at exit().
    if (pthread_key_create(&made->exit_key, thread_exits) != 0) std::abort();
    return made;
  }();
  return *instance;
}

void insert(ThreadRecord& thread, std::uint64_t id, ReaderSlot* slot) noexcept {
  std::uint64_t at = id & thread.mask;
  while (thread.table[at].id != 0) at = (at + 1) & thread.mask;
  thread.table[at] = {id, slot};
  ++thread.used;
}

/// Under the registry lock: drops the entries of domains that are gone, makes room for as many again.
void rebuild(ThreadRecord& thread) noexcept {
  std::uint64_t live = 0;
  for (const ReaderSlot* slot = thread.slots; slot != nullptr; slot = slot->owner_next) ++live;
  std::uint64_t size = kSmallestTable;
  while (size < (live + 1) * 4) size *= 2;
  delete[] thread.table;
  thread.table = new ThreadRecord::Entry[size];
  thread.mask = size - 1;
  thread.used = 0;
  for (ReaderSlot* slot = thread.slots; slot != nullptr; slot = slot->owner_next) {
    insert(thread, slot->domain->id, slot);
  }
}

ThreadRecord* this_thread() noexcept {
  if (t_thread == nullptr) {
    auto* made = new ThreadRecord;
    made->thread = static_cast<pid_t>(::syscall(SYS_gettid));
    made->table = new ThreadRecord::Entry[kSmallestTable];
    made->mask = kSmallestTable - 1;
    pthread_setspecific(registry().exit_key, made);
    t_thread = made;
  }
  return t_thread;
}

void give_to(ReaderSlot* slot, ThreadRecord* thread) noexcept {
  slot->owner = thread;
  slot->owner_next = thread->slots;
  slot->owner_link = &thread->slots;
  if (thread->slots != nullptr) thread->slots->owner_link = &slot->owner_next;
  thread->slots = slot;
  slot->thread.store(thread->thread, std::memory_order_relaxed);
}

void take_away(ReaderSlot* slot) noexcept {
  *slot->owner_link = slot->owner_next;
  if (slot->owner_next != nullptr) slot->owner_next->owner_link = slot->owner_link;
  slot->owner = nullptr;
  slot->owner_next = nullptr;
  slot->owner_link = nullptr;
}

void thread_exits(void* record) {
  auto* const thread = static_cast<ThreadRecord*>(record);
  Registry& all = registry();
  for (;;) {
    std::uint64_t left_open = 0;
    {
      const std::lock_guard lock(all.lock);
      ReaderSlot* const slot = thread->slots;
      if (slot == nullptr) break;
      take_away(slot);
      if (slot->stamp.load(std::memory_order_relaxed) == 0) {
        // The counters stay: holds taken here may still be open, and the sums must come out.
        slot->next_free = slot->domain->free_slots;
        slot->domain->free_slots = slot;
      } else {
        left_open = slot->domain->id;
      }
    }
    // A scope that outlives its thread is a bug of its owner. The slot stays marked and is never used again:
    // what the scope protected may still be reachable.
    if (left_open != 0) report_exit_inside(left_open, thread->thread);
  }
  t_thread = nullptr;
  delete[] thread->table;
  delete thread;
}

}  // namespace

ReaderSlot* find_slot_slow(const DomainState* domain) noexcept {
  const ThreadRecord* const thread = t_thread;
  for (std::uint64_t at = domain->id & thread->mask; thread->table[at].id != 0;
       at = (at + 1) & thread->mask) {
    if (thread->table[at].id == domain->id) return thread->table[at].slot;
  }
  return nullptr;
}

ReaderSlot* register_slot(DomainState* domain) noexcept {
  ThreadRecord* const thread = this_thread();
  const std::lock_guard lock(registry().lock);
  ReaderSlot* slot = domain->free_slots;
  if (slot != nullptr) {
    domain->free_slots = slot->next_free;
    slot->next_free = nullptr;
  } else {
    slot = new ReaderSlot;
    slot->domain = domain;
    slot->next = domain->slots.load(std::memory_order_relaxed);
    // Before the first mark, in program order: a scan that misses the slot is one whose fence the first
    // section's loads come after.
    domain->slots.store(slot, std::memory_order_release);
  }
  if ((thread->used + 1) * 2 > thread->mask + 1) rebuild(*thread);
  give_to(slot, thread);
  insert(*thread, domain->id, slot);
  return slot;
}

pid_t thread_id() noexcept { return this_thread()->thread; }

std::mutex& registry_lock() noexcept { return registry().lock; }

DomainState* registered_domains() noexcept { return registry().domains; }

DomainState* create_domain(bool automatic) noexcept {
  auto* const domain = new DomainState;
  domain->automatic = automatic;
  domain->shared.domain = domain;
  domain->slots.store(&domain->shared, std::memory_order_relaxed);
  Registry& all = registry();
  const std::lock_guard lock(all.lock);
  domain->id = ++all.last_id;
  // Either the registration is through, and this domain begins light, or its end finds the domain in the
  // list.
  if (automatic && heavy_fence_ready()) {
    domain->heavy = true;
    domain->light.store(true, std::memory_order_relaxed);
  }
  domain->registry_next = all.domains;
  domain->registry_link = &all.domains;
  if (all.domains != nullptr) all.domains->registry_link = &domain->registry_next;
  all.domains = domain;
  return domain;
}

void destroy_domain(DomainState* domain) noexcept {
  {
    const std::lock_guard lock(registry().lock);
    *domain->registry_link = domain->registry_next;
    if (domain->registry_next != nullptr) domain->registry_next->registry_link = domain->registry_link;
    for (ReaderSlot* slot = domain->slots.load(std::memory_order_relaxed); slot != nullptr;
         slot = slot->next) {
      if (slot->owner != nullptr) take_away(slot);
    }
  }
  for (ReaderSlot* slot = domain->slots.load(std::memory_order_relaxed); slot != nullptr;) {
    ReaderSlot* const next = slot->next;
    if (slot != &domain->shared) delete slot;
    slot = next;
  }
  delete domain;
}

}  // namespace nvmem::srcu::detail
