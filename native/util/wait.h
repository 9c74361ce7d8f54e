#pragma once

#include <algorithm>

#include "native/util/cancel_token.h"
#include "native/util/clock.h"
#include "native/util/status.h"

namespace nvmem {

/// What bounds a wait below the bus: every call that can block takes one.
struct Wait {
  /// Monotonic time at which the call gives up with -ETIMEDOUT.
  Nanoseconds deadline = kNever;
  /// When it has a reason the call gives up with that reason. May be null (work that must not be cancelled,
  /// such as raising a write-protect line).
  const CancelToken* cancel = nullptr;

  /// 0, or why to give up now: the cancel reason first, else -ETIMEDOUT past the deadline.
  [[nodiscard]] Status check(Nanoseconds now) const {
    if (cancel != nullptr && cancel->reason() != 0) return Status(cancel->reason());
    return now >= deadline ? Status(-ETIMEDOUT) : Status();
  }
  /// The same bound, no later than `limit`.
  [[nodiscard]] Wait until(Nanoseconds limit) const { return {std::min(deadline, limit), cancel}; }
};

}  // namespace nvmem
