#include "native/hotplug/lookout.h"

#include <poll.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>

namespace nvmem::hotplug {
namespace {

/// Not IN_MODIFY: until 2025 a write to any node of a folder, /dev/null among them, was one.
constexpr std::uint32_t kChanges = IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_ATTRIB |
                                   IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR;

}  // namespace

Result<std::unique_ptr<Lookout>> Lookout::create(bool uevents, std::function<void()> changed) {
  std::unique_ptr<Lookout> self(new Lookout(std::move(changed)));
  if (!self->waker_.ok()) return Status(-EMFILE);
  self->inotify_.reset(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
  const int error = errno;
  if (uevents && self->uevents_.open().ok()) self->hears_kernel_ = true;
  if (!self->inotify_ && !self->hears_kernel_) return Status(-error);
  const Status started = self->thread_.start("nvmem-lookout", [raw = self.get()] { raw->run(); });
  if (!started.ok()) return started;
  return self;
}

Lookout::~Lookout() {
  stop_.store(true, std::memory_order_release);
  waker_.wake();
  thread_.join();
}

Status Lookout::watch_folder(const std::string& path) {
  if (!inotify_) return Status(-ENOSYS);
  return Status(::inotify_add_watch(inotify_.get(), path.c_str(), kChanges) < 0 ? -errno : 0);
}

void Lookout::run() {
  for (;;) {
    std::array<pollfd, 3> fds{pollfd{waker_.fd(), POLLIN, 0}, pollfd{uevents_.fd(), POLLIN, 0},
                              pollfd{inotify_.get(), POLLIN, 0}};
    if (::poll(fds.data(), fds.size(), -1) < 0 && errno != EINTR) return;
    if (stop_.load(std::memory_order_acquire)) return;
    bool look = false;
    if (fds[1].revents != 0) {
      const Heard heard = uevents_.drain();
      look = heard == Heard::kLook || heard == Heard::kDead;
      if (heard == Heard::kDead) {
        hears_kernel_.store(false, std::memory_order_relaxed);
        uevents_.close();
      }
    }
    if (fds[2].revents != 0) look = drain_folders() || look;
    if (look) changed_();
  }
}

bool Lookout::drain_folders() {
  // Which name it was does not matter, nor whether some were lost: to look is the answer to all of it.
  std::array<char, 4096> events{};
  return ::read(inotify_.get(), events.data(), events.size()) > 0;
}

}  // namespace nvmem::hotplug
