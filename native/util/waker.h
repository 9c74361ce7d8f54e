// Ends another thread's poll(): an eventfd that a waiting loop polls beside its device.
#pragma once

#include "native/util/unique_fd.h"

namespace nvmem {

class Waker {
 public:
  Waker();
  Waker(const Waker&) = delete;
  Waker& operator=(const Waker&) = delete;

  /// Any thread, async-signal-safe. Wakes are not counted: many before one drain() are one.
  void wake() noexcept;
  /// The waiting thread: makes fd() unreadable again. Drain first, then look at the state the wake announced.
  void drain() noexcept;
  /// Poll this for POLLIN. -1 where the kernel had no descriptor left for us (see ok()).
  [[nodiscard]] int fd() const { return fd_.get(); }
  [[nodiscard]] bool ok() const { return static_cast<bool>(fd_); }

 private:
  UniqueFd fd_;
};

}  // namespace nvmem
