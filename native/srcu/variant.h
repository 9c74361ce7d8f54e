// What the torture test and the model change in the algorithm to prove that they would notice. Every product
// build is kNone with empty windows, and compiles to nothing.
#pragma once

#ifndef NVMEM_SRCU_VARIANT
#define NVMEM_SRCU_VARIANT 0
#endif
// A place where a thread may be preempted at the worst moment; the torture test dwells there.
#ifndef NVMEM_SRCU_WINDOW
#define NVMEM_SRCU_WINDOW(where) static_cast<void>(0)
#endif

namespace nvmem::srcu::detail {

/// Wrong on purpose, except kNone (see test/native/torture, test/model/relacy).
enum class Variant { kNone, kNoGracePeriod, kNoHeavyFence, kOneIndex, kCountersFirst };
inline constexpr Variant kVariant = static_cast<Variant>(NVMEM_SRCU_VARIANT);

}  // namespace nvmem::srcu::detail
