// What of a slot outlives its handles. Internal to native/slot.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "native/slot/slot.h"

namespace nvmem {

struct Slot::Core {
  srcu::Domain domain;
  srcu::Pointer<Provider> impl;
  std::shared_ptr<const Counters> counters;  ///< as the slot was made with it

  std::mutex mutex;
  // Under the mutex:
  bool detached = false;
  bool freed = false;
  std::string reason;
  std::vector<std::function<void()>> waiting;
  std::uint64_t last_id = 0;
  std::map<std::uint64_t, Watcher> watchers;
  /// Who writes, first, and who waits for its turn. `granted` of the first has been called or needed no call.
  std::deque<std::pair<std::uint64_t, std::function<void()>>> turns;
  std::string token;  ///< of the share, "" while there is none
};

}  // namespace nvmem
