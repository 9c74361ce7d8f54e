#pragma once

#include <poll.h>

#include "native/util/clock.h"
#include "native/util/waker.h"

namespace nvmem {

struct Polled {
  short events = 0;    ///< revents of the descriptor
  bool woken = false;  ///< the waker was used; it is drained
  bool timed_out = false;
};

/// Waits for `events` on `fd`, for the waker (may be null), or until `deadline` (in the past: only looks).
Polled poll_with_waker(int fd, short events, Waker* waker, Nanoseconds deadline, const Clock& clock);

}  // namespace nvmem
