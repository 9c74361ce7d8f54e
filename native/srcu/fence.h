// The asymmetric fence pair (P1202): a reader's light fence costs nothing, the updater's heavy fence makes
// every running thread of the process execute a full barrier. Light with heavy orders like two full fences.
#pragma once

#include <atomic>

#include "native/srcu/variant.h"

namespace nvmem::srcu::detail {

/// Keeps the compiler from moving accesses across; no instruction.
inline void light_fence() noexcept { std::atomic_signal_fence(std::memory_order_seq_cst); }

/// Both sides of the symmetric fallback.
inline void full_fence() noexcept { std::atomic_thread_fence(std::memory_order_seq_cst); }

/// membarrier(2) MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, where the kernel offers it (Linux 4.14) and
/// seccomp lets it through. With more than one thread the kernel waits for an RCU grace period of its own in
/// here, 5 to 23 ms in a Node process: never on a thread that must not block.
bool register_heavy_fence() noexcept;

/// MEMBARRIER_CMD_PRIVATE_EXPEDITED. Only after register_heavy_fence() said true; readers rely on it from
/// then on, so a failure that does not pass ends the process.
void heavy_fence() noexcept;

/// The CPU's hint for a busy wait.
inline void relax_cpu() noexcept {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

}  // namespace nvmem::srcu::detail
