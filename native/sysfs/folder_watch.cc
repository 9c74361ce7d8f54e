#include "native/sysfs/folder_watch.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "native/util/poll.h"
#include "native/util/unique_fd.h"

namespace nvmem::sysfs {
namespace {

constexpr Nanoseconds kInterval = kSecond / 2;

}  // namespace

FolderWatch::FolderWatch(std::string folder, bool writable, std::shared_ptr<Waker> waker, const Clock& clock)
    : folder_(std::move(folder)), writable_(writable), waker_(std::move(waker)), clock_(clock) {}

Status FolderWatch::start(const Wait&) {
  struct stat found {};
  if (::stat(folder_.c_str(), &found) != 0) return Status(-errno);
  device_ = found.st_dev;
  inode_ = found.st_ino;
  if (!writable_) return {};
  char value = '0';
  const UniqueFd fd(::open((folder_ + "/force_ro").c_str(), O_RDONLY | O_CLOEXEC));
  if (fd && ::pread(fd.get(), &value, 1, 0) == 1 && value == '1') cleared_ = set_force_ro('0').ok();
  return {};
}

Status FolderWatch::set_force_ro(char value) const {
  const UniqueFd fd(::open((folder_ + "/force_ro").c_str(), O_WRONLY | O_CLOEXEC));
  return Status(fd && ::write(fd.get(), &value, 1) == 1 ? 0 : -errno);
}

void FolderWatch::stop() noexcept {
  // A device that has gone has taken it along, and one that came later under its name is not ours to protect.
  if (cleared_ && is_there()) (void)set_force_ro('1');
  cleared_ = false;
  gone_ = true;
}

bool FolderWatch::is_there() const {
  struct stat found {};
  // Any other failure than its absence says nothing about the device.
  if (::stat(folder_.c_str(), &found) != 0) return errno != ENOENT && errno != ENOTDIR && errno != ENODEV;
  return found.st_dev == device_ && found.st_ino == inode_;
}

Status FolderWatch::idle(Nanoseconds deadline) {
  for (;;) {
    gone_ = gone_ || !is_there();
    if (gone_) return Status(-ENODEV);
    const Nanoseconds now = clock_.now();
    if (now >= deadline) return Status(-ETIMEDOUT);
    const Nanoseconds until = std::min(deadline, now + kInterval);
    if (poll_with_waker(-1, 0, waker_.get(), until, clock_).woken) return {};
  }
}

std::string FolderWatch::reason() const {
  return gone_ ? "the kernel has removed the device" : std::string();
}

}  // namespace nvmem::sysfs
