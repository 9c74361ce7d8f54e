// Writers that take turns, in the order in which they came, whatever threads they are on.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <utility>

namespace nvmem {

class Turns {
 public:
  /// A place in the queue; `now`: its turn has come.
  struct Turn {
    std::uint64_t ticket = 0;
    bool now = false;
  };

  /// Any thread. `granted` is called when the turn comes, under a lock and on any thread, so that it must not
  /// come back here; or never where that is `now`.
  Turn take(std::function<void()> granted) noexcept;
  /// Any thread: ends a turn, or gives up the place in the queue.
  void give(std::uint64_t ticket) noexcept;

 private:
  std::mutex mutex_;
  std::uint64_t last_ticket_ = 0;
  /// Who writes, first, and who waits. `granted` of the first has been called or needed no call.
  std::deque<std::pair<std::uint64_t, std::function<void()>>> queue_;
};

}  // namespace nvmem
