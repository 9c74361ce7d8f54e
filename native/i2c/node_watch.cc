#include "native/i2c/node_watch.h"

#include <poll.h>
#include <sys/inotify.h>

#include <array>

#include "native/util/poll.h"

namespace nvmem::i2c {

void NodeWatch::start(const std::string& path) {
  const std::string folder = path.substr(0, path.rfind('/') + 1);
  UniqueFd fd(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
  if (!fd || ::inotify_add_watch(fd.get(), folder.c_str(), IN_DELETE | IN_MOVED_FROM) < 0) return;
  fd_ = std::move(fd);
}

NodeWatch::Woke NodeWatch::wait(Waker& waker, Nanoseconds deadline, const Clock& clock) {
  const Polled polled = poll_with_waker(fd_.get(), POLLIN, &waker, deadline, clock);
  if ((polled.events & POLLIN) != 0) {
    // Which node it was does not matter: to look again costs two calls.
    std::array<char, 4096> events{};
    while (::read(fd_.get(), events.data(), events.size()) > 0) {
    }
  }
  if (polled.woken) return Woke::kWaker;
  return polled.events != 0 ? Woke::kChange : Woke::kTime;
}

}  // namespace nvmem::i2c
