// Faults that the scenarios have to find: the torture test's variants, and single memory orders made relaxed
// (a fence: left out) where a line of the sources says so.
#pragma once

#include <fstream>
#include <string>

#include "test/model/relacy/machine.h"

namespace mutants {

using nvmem::srcu::detail::Variant;

struct Mutant {
  const char* name;
  Variant variant = Variant::kNone;
  const char* file = nullptr;
  const char* text = nullptr;  ///< what the lines meant have in them
  bool small = false;          ///< the smallest scenario is enough
};

// Not here, because nothing in relacy can tell: the order of the stamp's own store (relacy has C++11's
// release sequences), of the index (only progress depends on it), of the scan of beginnings (the ends seen
// bring theirs along) and of a domain's reference count (its plain members are not watched).
inline constexpr Mutant kMutants[] = {
    {"no grace period", Variant::kNoGracePeriod, nullptr, nullptr, true},
    {"no heavy fence", Variant::kNoHeavyFence},
    {"one index", Variant::kOneIndex},
    {"counters before stamps", Variant::kCountersFirst},
    {"no light fence", Variant::kNone, "native/srcu/fence.h", "std::atomic_signal_fence("},
    {"no full fence", Variant::kNone, "native/srcu/fence.h", "std::atomic_thread_fence(", true},
    {"relaxed end of a scope", Variant::kNone, "native/srcu/section.h", "stamp.store(0,"},
    {"relaxed number of the grace period", Variant::kNone, "native/srcu/section.h", "sequence.load("},
    {"relaxed count of holds", Variant::kNone, "native/srcu/section.h", "+ 1, std::memory_order_release)"},
    {"relaxed end of a hold without a slot", Variant::kNone, "native/srcu/section.h", "shared.unlocks["},
    {"relaxed look at the mode", Variant::kNone, "native/srcu/state.h", "light.load("},
    {"relaxed scan of stamps", Variant::kNone, "native/srcu/grace_period.h", "slot->stamp.load("},
    {"relaxed scan of ends", Variant::kNone, "native/srcu/grace_period.h", "slot->unlocks[index].load("},
    {"relaxed look at the slots", Variant::kNone, "native/srcu/grace_period.h", "slots.load("},
    {"relaxed numbering", Variant::kNone, "native/srcu/grace_period.cc", "sequence.fetch_add(", true},
    {"relaxed new slot", Variant::kNone, "native/srcu/threads.cc", "domain->slots.store(slot", true},
    {"relaxed exchange", Variant::kNone, "native/srcu/pointer.h", "value_.exchange("},
    {"relaxed load of the pointer", Variant::kNone, "native/srcu/pointer.h", "value_.load("},
    {"relaxed change of mode", Variant::kNone, "native/srcu/collector.cc", "light.store("},
    {"relaxed completion", Variant::kNone, "native/srcu/domain.cc", "done.store("},
    {"relaxed look at completion", Variant::kNone, "native/srcu/collector.cc", "done.load("},
};

/// False where no line has the text.
inline bool put_in(const Mutant& mutant) {
  machine::g_variant = mutant.variant;
  machine::g_weakened = {};
  if (mutant.file == nullptr) return true;
  std::ifstream source(std::string(MODEL_ROOT "/") + mutant.file);
  machine::g_weakened.file = mutant.file;
  std::size_t found = 0;
  std::string line;
  for (unsigned number = 1; std::getline(source, line); ++number) {
    if (line.find(mutant.text) == std::string::npos) continue;
    if (found == std::size(machine::g_weakened.lines)) return false;
    machine::g_weakened.lines[found++] = number;
  }
  return found > 0;
}

inline void take_out() noexcept {
  machine::g_variant = Variant::kNone;
  machine::g_weakened = {};
}

}  // namespace mutants
