// A counter that threads sleep on. Unlike a condition variable it may be notified without a lock, and it
// keeps no state that a process exiting in the middle could leave locked.
#pragma once

#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <climits>
#include <cstdint>

#include "native/util/clock.h"

namespace nvmem::srcu::detail {

class EventCount {
 public:
  /// Read before looking at the condition, passed to wait() after it was found false.
  [[nodiscard]] std::uint32_t now() const noexcept { return count_.load(std::memory_order_acquire); }

  void notify_all() noexcept {
    count_.fetch_add(1, std::memory_order_release);
    ::syscall(SYS_futex, address(), FUTEX_WAKE_PRIVATE, INT_MAX, nullptr, nullptr, 0);
  }

  /// Until notified after `seen` was read, or `timeout` (kNever: none), or for no reason.
  void wait(std::uint32_t seen, Nanoseconds timeout) noexcept {
    timespec limit{};
    limit.tv_sec = static_cast<time_t>(timeout / kSecond);
    limit.tv_nsec = static_cast<long>(timeout % kSecond);
    ::syscall(SYS_futex, address(), FUTEX_WAIT_PRIVATE, seen, timeout == kNever ? nullptr : &limit, nullptr,
              0);
  }

 private:
  std::uint32_t* address() noexcept { return reinterpret_cast<std::uint32_t*>(&count_); }
  std::atomic<std::uint32_t> count_{0};
  static_assert(sizeof(std::atomic<std::uint32_t>) == sizeof(std::uint32_t));
};

}  // namespace nvmem::srcu::detail
