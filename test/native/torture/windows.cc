#ifdef NVMEM_SRCU_WINDOW
#include <sched.h>

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "native/srcu/fence.h"
#include "test/native/torture/random.h"

namespace torture {
namespace {

constexpr std::size_t kLine = 64;
constexpr std::size_t kColdLines = 1 << 17;  // 8 MiB: mostly out of the caches
alignas(kLine) std::atomic<char> g_cold[kColdLines * kLine];

/// Seeded by the thread's address: schedules are not reproducible anyway.
thread_local Random t_random(reinterpret_cast<std::uintptr_t>(&t_random));

/// Fills the store buffer with stores that miss the cache. The mark stored next waits behind them, while the
/// loads after it run ahead: the reordering that only the updater's fence makes harmless.
void fill_store_buffer() noexcept {
  for (int i = 0; i < 12; ++i) {
    g_cold[(t_random.next() % kColdLines) * kLine].store(1, std::memory_order_relaxed);
  }
}

void dwell(std::uint64_t turns) noexcept {
  while (turns-- > 0) nvmem::srcu::detail::relax_cpu();
}

}  // namespace

void enter() noexcept {
  if (t_random.one_in(64)) dwell(t_random.below(200));
  if (t_random.one_in(4096)) ::sched_yield();
  if (t_random.one_in(2)) fill_store_buffer();
}

void down() noexcept {
  if (t_random.one_in(16)) dwell(t_random.below(2000));
  if (t_random.one_in(256)) ::sched_yield();
  if (t_random.one_in(2)) fill_store_buffer();
}

void between_scans() noexcept {
  if (t_random.one_in(4)) dwell(t_random.below(2000));
  if (t_random.one_in(32)) ::sched_yield();
}

}  // namespace torture
#endif
