#include "native/util/poll.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <ctime>

namespace nvmem {

Polled poll_with_waker(int fd, short events, Waker* waker, Nanoseconds deadline, const Clock& clock) {
  std::array<pollfd, 2> fds{pollfd{fd, events, 0}, pollfd{waker != nullptr ? waker->fd() : -1, POLLIN, 0}};
  for (;;) {
    // ppoll, because whole milliseconds are coarser than the gaps between two USB frames.
    timespec left{};
    if (deadline != kNever) {
      const Nanoseconds rest = std::max<Nanoseconds>(deadline - clock.now(), 0);
      left.tv_sec = static_cast<time_t>(rest / kSecond);
      left.tv_nsec = static_cast<long>(rest % kSecond);
    }
    const int ready = ::ppoll(fds.data(), fds.size(), deadline == kNever ? nullptr : &left, nullptr);
    if (ready < 0 && errno == EINTR) continue;
    Polled polled;
    polled.timed_out = ready <= 0;
    if (ready > 0) {
      polled.events = fds[0].revents;
      polled.woken = fds[1].revents != 0;
      if (polled.woken) waker->drain();
    }
    return polled;
  }
}

}  // namespace nvmem
