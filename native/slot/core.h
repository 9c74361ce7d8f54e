// What of a slot outlives its handles. Internal to native/slot.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "native/slot/slot.h"

namespace nvmem {

struct Slot::Core {
  /// The end of the provider's grace period: part of the slot, because taking the provider away cannot fail.
  struct Teardown : srcu::Head {
    std::shared_ptr<Core> core;
    Provider* provider = nullptr;
  };

  srcu::Domain domain;
  srcu::Pointer<Provider> impl;
  std::shared_ptr<const Counters> counters;  ///< as the slot was made with it
  bool immediate = false;                    ///< as Provider::immediate()
  std::shared_ptr<Turns> turns;              ///< of the provider, or of this slot alone

  Teardown teardown;

  std::mutex mutex;
  // Under the mutex:
  bool detached = false;
  bool freed = false;
  std::string reason;
  std::vector<std::function<void()>> waiting;
  std::uint64_t last_id = 0;
  std::map<std::uint64_t, Watcher> watchers;
  std::string token;  ///< of the share, "" while there is none
};

}  // namespace nvmem
