#include "native/cp2112/transport/hidraw_transport.h"

#include <fcntl.h>
#include <linux/hidraw.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "native/cp2112/transport/report_descriptor.h"
#include "native/cp2112/transport/reports.h"
#include "native/util/pairs.h"
#include "native/util/poll.h"

namespace nvmem::cp2112 {
namespace {

/// A cable that is pulled shows as a failed transfer first; the hub says so up to its polling interval later
/// (USB 2.0 §11.12.3: at most 255 ms), and only then the node hangs up.
constexpr Nanoseconds kHubInterval = 300 * kMillisecond;
constexpr const char* kUnplugged = "the bridge was unplugged";

}  // namespace

HidrawCalls::HidrawCalls()
    : open([](const char* path, int flags) { return ::open(path, flags); }),
      ioctl([](int fd, unsigned long request, void* argument) { return ::ioctl(fd, request, argument); }) {}

HidrawTransport::HidrawTransport(std::string path, std::shared_ptr<Waker> waker, const Clock& clock,
                                 HidrawCalls calls)
    : path_(std::move(path)), waker_(std::move(waker)), clock_(clock), calls_(std::move(calls)) {}

HidrawTransport::~HidrawTransport() { close(); }

Status HidrawTransport::lose(std::string why) {
  if (fd_) reason_ = std::move(why);
  fd_.reset();
  return Status(-ENODEV);
}

Status HidrawTransport::open(const Wait& wait) {
  if (const Status status = wait.check(clock_.now()); !status.ok()) return status;
  fd_.reset(calls_.open(path_.c_str(), O_RDWR | O_CLOEXEC | O_NONBLOCK));
  if (!fd_) {
    // The node of a device that has just gone (hidraw_open()), or one left over from it (open(2)).
    if (errno == ENODEV || errno == ENXIO) return Status(-ENODEV);
    if (errno == ENOTDIR) return Status(-ENOENT);
    if (errno == EISDIR || errno == ELOOP) {
      reason_ = path_ + " is no device node";
      return Status(-ENOTSUP);
    }
    return Status(-errno);
  }
  const Status status = ::flock(fd_.get(), LOCK_EX | LOCK_NB) < 0 ? Status(-EBUSY) : identify();
  if (!status.ok()) fd_.reset();
  return status;
}

Status HidrawTransport::identify() {
  hidraw_devinfo info{};
  if (calls_.ioctl(fd_.get(), HIDIOCGRAWINFO, &info) < 0) {
    if (errno == ENODEV) return lose(kUnplugged);
    reason_ = path_ + " is no hidraw device";
    return Status(-ENOTSUP);
  }
  ids_ = {static_cast<std::uint16_t>(info.vendor), static_cast<std::uint16_t>(info.product)};
  if (ids_ != Ids{} && !looks_like_cp2112()) {
    reason_ = no_cp2112(ids_);
    return Status(-ENOTSUP);
  }
  serial_ = text_of(HIDIOCGRAWUNIQ(256));
  phys_ = text_of(HIDIOCGRAWPHYS(256));
  return {};
}

/// Kernels before 5.6 have no HIDIOCGRAWUNIQ: what they do not tell is empty.
std::string HidrawTransport::text_of(unsigned long request) {
  std::array<char, 257> buffer{};
  if (calls_.ioctl(fd_.get(), request, buffer.data()) < 0) return {};
  return buffer.data();
}

bool HidrawTransport::looks_like_cp2112() {
  int size = 0;
  if (calls_.ioctl(fd_.get(), HIDIOCGRDESCSIZE, &size) < 0) return false;
  hidraw_report_descriptor descriptor{};
  descriptor.size = static_cast<std::uint32_t>(std::clamp(size, 0, HID_MAX_DESCRIPTOR_SIZE));
  if (calls_.ioctl(fd_.get(), HIDIOCGRDESC, &descriptor) < 0) return false;
  return has_transfer_reports(std::span<const std::uint8_t>(descriptor.value).first(descriptor.size));
}

Status HidrawTransport::admit(const Wait& wait) {
  if (!fd_) return Status(-ENODEV);
  if (hung_up(0)) return lose(kUnplugged);
  return wait.check(clock_.now());
}

bool HidrawTransport::hung_up(Nanoseconds deadline) {
  const auto polled = poll_with_waker(fd_.get(), 0, nullptr, deadline, clock_);
  return (polled.events & (POLLHUP | POLLERR)) != 0;
}

Status HidrawTransport::failed(int error, const Wait& wait) {
  switch (error) {
    // The device has left the bus, be the node still there or not: the kernel's driver takes it away only
    // after its I2C adapter, and that waits for whoever has /dev/i2c-N open.
    case ENODEV:
    case ENXIO:
    case ESHUTDOWN:
      return lose(kUnplugged);
    case EPIPE:
    case ETIMEDOUT:
      if (hung_up(0)) return lose(kUnplugged);
      break;
    default:
      if (hung_up(std::min(wait.deadline, clock_.now() + kHubInterval))) return lose(kUnplugged);
      break;
  }
  if (error == EPIPE) return Status(-EPIPE);
  reason_ = error == ETIMEDOUT ? "the bridge took nothing for 5 s" : std::strerror(error);
  if (const Status own = wait.check(clock_.now()); !own.ok()) return own;
  return Status(error == ETIMEDOUT ? -ETIMEDOUT : -EIO);
}

Status HidrawTransport::set_feature(std::span<const std::uint8_t> report, const Wait& wait) {
  if (report.empty() || report.size() > kReportSize) return Status(-EINVAL);
  if (const Status status = admit(wait); !status.ok()) return status;
  std::array<std::uint8_t, kReportSize> bytes{};
  std::copy(report.begin(), report.end(), bytes.begin());
  const int done = calls_.ioctl(fd_.get(), HIDIOCSFEATURE(report.size()), bytes.data());
  return done < 0 ? failed(errno, wait) : Status();
}

Result<std::size_t> HidrawTransport::get_feature(std::span<std::uint8_t> report, const Wait& wait) {
  if (report.empty() || report.size() > kReportSize) return Status(-EINVAL);
  if (const Status status = admit(wait); !status.ok()) return status;
  const int done = calls_.ioctl(fd_.get(), HIDIOCGFEATURE(report.size()), report.data());
  if (done < 0) return failed(errno, wait);
  return std::min(static_cast<std::size_t>(done), report.size());
}

Status HidrawTransport::send(std::span<const std::uint8_t> report, const Wait& wait) {
  if (report.empty()) return Status(-EINVAL);
  if (const Status status = admit(wait); !status.ok()) return status;
  const ssize_t done = ::write(fd_.get(), report.data(), report.size());
  if (done < 0) return failed(errno, wait);
  if (static_cast<std::size_t>(done) == report.size()) return {};
  reason_ = "the bridge took only part of a report";
  return Status(-EIO);
}

Result<std::size_t> HidrawTransport::receive(std::span<std::uint8_t> report, const Wait& wait) {
  if (!fd_) return Status(-ENODEV);
  for (;;) {
    const ssize_t got = ::read(fd_.get(), report.data(), report.size());
    if (got > 0) return static_cast<std::size_t>(got);
    if (got < 0 && errno == EINTR) continue;
    // hidraw_read() says EIO when the device has gone.
    if (got == 0 || errno != EAGAIN) return lose(kUnplugged);
    if (const Status status = wait.check(clock_.now()); !status.ok()) return status;
    (void)poll_with_waker(fd_.get(), POLLIN, waker_.get(), wait.deadline, clock_);
  }
}

Status HidrawTransport::idle(Nanoseconds deadline) {
  if (!fd_) return Status(-ENODEV);
  // Not for POLLIN: what the kernel's driver is told arrives here as well, and waits until it is read.
  const auto polled = poll_with_waker(fd_.get(), 0, waker_.get(), deadline, clock_);
  if ((polled.events & (POLLHUP | POLLERR)) != 0) return lose(kUnplugged);
  return polled.woken ? Status() : Status(-ETIMEDOUT);
}

void HidrawTransport::close() noexcept { (void)lose("closed"); }

std::string HidrawTransport::identity() const {
  std::string line;
  add_pair(line, "transport", "hidraw");
  add_pair(line, "node", path_);
  add_pair(line, "vid", hex4(ids_.vid));
  add_pair(line, "pid", hex4(ids_.pid));
  add_pair(line, "serial", serial_);
  add_pair(line, "phys", phys_);
  return line;
}

}  // namespace nvmem::cp2112
