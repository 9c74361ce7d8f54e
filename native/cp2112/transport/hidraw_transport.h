// HID reports through /dev/hidrawN: a CP2112 that the kernel's driver keeps, and that both use.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "native/cp2112/transport/hid_transport.h"
#include "native/cp2112/transport/ids.h"
#include "native/util/clock.h"
#include "native/util/unique_fd.h"
#include "native/util/waker.h"

namespace nvmem::cp2112 {

/// The two system calls that only a hidraw node answers; a test puts its own in place of them. Reading,
/// writing and waiting are always the kernel's. Both as in open(2) and ioctl(2): -1 and errno.
struct HidrawCalls {
  HidrawCalls();
  std::function<int(const char* path, int flags)> open;
  std::function<int(int fd, unsigned long request, void* argument)> ioctl;
};

/// Waiting for reports ends at once with the waker, the deadline or the unplug. Giving reports to the device
/// (write, HIDIOCSFEATURE, HIDIOCGFEATURE) does not: O_NONBLOCK means nothing to them, the kernel gives each
/// of them 5 s (USB_CTRL_SET_TIMEOUT), and only the device or its unplug ends that. So a bridge that is still
/// there and has stopped answering can keep a caller for that long; it is never entered with a bound that has
/// passed.
class HidrawTransport final : public HidTransport {
 public:
  /// Does nothing yet. A use of `waker` ends a wait early, which is when CancelToken reasons are seen.
  /// `clock` has to be real time and to live longer than the transport.
  HidrawTransport(std::string path, std::shared_ptr<Waker> waker, const Clock& clock = monotonic_clock(),
                  HidrawCalls calls = {});
  ~HidrawTransport() override;

  /// -ENOENT: no such node; -EACCES, -EPERM; -ENODEV: its device has just gone; -ENOTSUP: no hidraw node, or
  /// no CP2112 by VID and PID (10c4:ea90) and by its report descriptor either; -EBUSY: another transport has
  /// the node (an advisory lock, flock(2): it keeps our own kind out and nobody else); other errnos of
  /// open(2).
  Status open(const Wait& wait) override;
  Status set_feature(std::span<const std::uint8_t> report, const Wait& wait) override;
  Result<std::size_t> get_feature(std::span<std::uint8_t> report, const Wait& wait) override;
  Status send(std::span<const std::uint8_t> report, const Wait& wait) override;
  /// The kernel keeps the last 63 reports for us and drops what comes after (HIDRAW_BUFFER_SIZE).
  Result<std::size_t> receive(std::span<std::uint8_t> report, const Wait& wait) override;
  Status idle(Nanoseconds deadline) override;
  void close() noexcept override;
  [[nodiscard]] bool shared() const override { return true; }
  [[nodiscard]] bool bounded() const override { return false; }
  [[nodiscard]] std::string reason() const override { return reason_; }
  [[nodiscard]] std::string identity() const override;

 private:
  Status identify();
  [[nodiscard]] std::string text_of(unsigned long request);
  [[nodiscard]] bool looks_like_cp2112();
  /// Before a call that blocks: -ENODEV, the cancel reason, -ETIMEDOUT.
  Status admit(const Wait& wait);
  /// What a failed write or ioctl means.
  Status failed(int error, const Wait& wait);
  /// Whether the node has hung up, waiting for that until `deadline`.
  bool hung_up(Nanoseconds deadline);
  Status lose(std::string why);

  const std::string path_;
  const std::shared_ptr<Waker> waker_;
  const Clock& clock_;
  const HidrawCalls calls_;
  UniqueFd fd_;
  Ids ids_;
  std::string serial_;
  std::string phys_;
  std::string reason_;
};

}  // namespace nvmem::cp2112
