// How one operation is told to give up: AbortSignal, deadline, unregistration and process exit all end here.
#pragma once

#include <atomic>
#include <memory>

#include "native/util/waker.h"

namespace nvmem {

/// Shared by the side that wants an operation ended and the thread that works on it.
class CancelToken {
 public:
  /// Before the token is shared: whom to wake when a reason arrives (the bus thread's waker).
  void attach(std::shared_ptr<Waker> waker) { waker_ = std::move(waker); }

  /// Any thread. `reason` is the negative errno the operation ends with (-ECANCELED, -ETIMEDOUT, -ENODEV);
  /// the first reason stays.
  void cancel(int reason) noexcept {
    int none = 0;
    reason_.compare_exchange_strong(none, reason, std::memory_order_acq_rel);
    if (waker_) waker_->wake();
  }

  /// 0, or the reason. Checked by the working thread between wire chunks and after every wake.
  [[nodiscard]] int reason() const noexcept { return reason_.load(std::memory_order_acquire); }

 private:
  std::atomic<int> reason_{0};
  std::shared_ptr<Waker> waker_;
};

}  // namespace nvmem
