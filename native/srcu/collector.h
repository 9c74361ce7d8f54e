// The process's one grace-period thread: runs the grace periods of all domains that have callbacks queued,
// and registers membarrier(2) before anything else. Internal to native/srcu.
#pragma once

#include "native/srcu/state.h"

namespace nvmem::srcu::detail {

/// Starts the thread at the first call, and again where it could not be started before. Detached and never
/// ended: it is outside every lock but its own when the process exits. False where there is no thread to be
/// had.
bool start_collector() noexcept;
/// Has the thread register membarrier(2), for automatic domains. Once; before the first of them can be
/// queued.
void want_heavy_fence() noexcept;
/// The calling thread is it: in a callback.
[[nodiscard]] bool on_collector() noexcept;
/// Queues `head` behind the domain's others and sees to it that it runs.
void enqueue(DomainState& domain, Head* head) noexcept;
/// Blocks until `done`, which a callback sets with release order as the last thing it does to it.
void wait_for_completion(const std::atomic<bool>& done) noexcept;
/// Under the registry lock: new automatic domains may begin without reader fences.
[[nodiscard]] bool heavy_fence_ready() noexcept;
/// Blocks until the registration has ended; what came of it.
bool wait_until_registered() noexcept;

}  // namespace nvmem::srcu::detail
