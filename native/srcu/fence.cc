#include "native/srcu/fence.h"

#include <linux/membarrier.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>

namespace nvmem::srcu::detail {
namespace {

long membarrier(int command) noexcept { return ::syscall(SYS_membarrier, command, 0, 0); }

}  // namespace

bool register_heavy_fence() noexcept {
  const long offered = membarrier(MEMBARRIER_CMD_QUERY);
  constexpr long kNeeded = MEMBARRIER_CMD_PRIVATE_EXPEDITED | MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED;
  if (offered < 0 || (offered & kNeeded) != kNeeded) return false;
  return membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) == 0 &&
         membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED) == 0;
}

void heavy_fence() noexcept {
  if (kVariant == Variant::kNoHeavyFence) {
    light_fence();
    return;
  }
  while (membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED) != 0) {
    // The kernel allocates a CPU mask for the call: that failure passes. After a registration no other is
    // possible but by a seccomp filter installed since, and going on without the fence would free memory
    // under readers.
    if (errno != ENOMEM) {
      std::fputs("nvmem: membarrier() failed after it had been registered\n", stderr);
      std::abort();
    }
    ::sched_yield();
  }
}

}  // namespace nvmem::srcu::detail
