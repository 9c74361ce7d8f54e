// Which slot of a domain is the calling thread's. Internal to native/srcu.
#pragma once

#include "native/srcu/state.h"

// The initial-exec model saves a call per look-up and needs 8 bytes of the static TLS surplus that glibc
// keeps for libraries loaded later; musl keeps none and would refuse to load the addon.
#if defined(__GLIBC__)
#define NVMEM_SRCU_TLS __attribute__((tls_model("initial-exec"), visibility("hidden")))
#else
#define NVMEM_SRCU_TLS __attribute__((visibility("hidden")))
#endif

namespace nvmem::srcu::detail {

/// One thread's slots in all domains. The table is the thread's own: entries of domains that are gone stay
/// until it is rebuilt, and match nothing because ids are not reused.
struct ThreadRecord {
  struct Entry {
    std::uint64_t id = 0;
    ReaderSlot* slot = nullptr;
  };
  Entry* table = nullptr;
  std::uint64_t mask = 0;
  std::uint64_t used = 0;
  pid_t thread = 0;
  ReaderSlot* slots = nullptr;  ///< under the registry lock
};

extern constinit thread_local ThreadRecord* t_thread NVMEM_SRCU_TLS;

ReaderSlot* find_slot_slow(const DomainState* domain) noexcept;
ReaderSlot* register_slot(DomainState* domain) noexcept;

/// The calling thread's slot, or null where it has none yet.
inline ReaderSlot* find_slot(const DomainState* domain) noexcept {
  const ThreadRecord* thread = t_thread;
  if (thread == nullptr) return nullptr;
  const ThreadRecord::Entry& entry = thread->table[domain->id & thread->mask];
  if (entry.id == domain->id) [[likely]]
    return entry.slot;
  return find_slot_slow(domain);
}

/// The calling thread's slot; registers the thread with the domain at the first use.
inline ReaderSlot* own_slot(DomainState* domain) noexcept {
  ReaderSlot* slot = find_slot(domain);
  return slot != nullptr ? slot : register_slot(domain);
}

/// Kernel thread id, cached.
pid_t thread_id() noexcept;

/// The set of all domains and of who owns which slot. Short critical sections only.
std::mutex& registry_lock() noexcept;
/// Under the registry lock.
DomainState* registered_domains() noexcept;

/// A new domain, in the registry, with one reference.
DomainState* create_domain(bool automatic) noexcept;
/// Frees a domain nobody can reach any more and whose sections have all ended.
void destroy_domain(DomainState* domain) noexcept;

}  // namespace nvmem::srcu::detail
