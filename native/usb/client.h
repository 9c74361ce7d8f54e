// One USB device that this process has claimed: libusb's transfers, and one poll() for everything that can
// end a wait.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "native/util/clock.h"
#include "native/util/status.h"
#include "native/util/unique_fd.h"
#include "native/util/usb_transfer.h"
#include "native/util/wait.h"
#include "native/util/waker.h"

struct libusb_context;
struct libusb_device_handle;

namespace nvmem::usb {

using Setup = UsbSetup;
using Completion = UsbCompletion;

/// Used by one thread, which also handles libusb's events: where only one thread waits for a device, a second
/// one could but carry every completion to it, at the price of a wake-up each. The context is its own, knows
/// of this one device and starts no thread. Callbacks only note that a transfer has ended; what follows from
/// that is done after libusb has returned.
///
/// Every call gives -ENODEV, at once and for ever, once the device is gone.
class Client {
 public:
  Client(std::shared_ptr<Waker> waker, const Clock& clock);
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;
  ~Client();

  /// Takes an open node of usbfs and claims the interface, from the kernel's driver if that has it. Waits for
  /// that driver to let go, and up to a second for the device. -EBUSY: another program has it; -ENOTSUP:
  /// there is no such interface in the active configuration; -ENODEV; -ENOMEM; -EIO.
  Status open(UniqueFd node, std::uint8_t interface);

  /// Control transfer on endpoint 0. The direction is in setup[0], the length in its last two bytes; for OUT
  /// `data` is only read. Where the wait fails the transfer is taken back, and whether the device took it is
  /// unknown.
  Completion control(const Setup& setup, std::span<std::uint8_t> data, const Wait& wait);
  Completion interrupt_out(std::uint8_t endpoint, std::span<const std::uint8_t> data, const Wait& wait);

  /// From now on several interrupt IN transfers of `length` bytes are queued, so that the device finds one in
  /// every frame however late this thread is.
  Status start_in(std::uint8_t endpoint, std::size_t length);
  /// The next packet of the IN pipe, cut to `packet`. -EPIPE: the pipe has stalled and rests until mend_in().
  /// A deadline in the past takes what has already arrived.
  Completion receive(std::span<std::uint8_t> packet, const Wait& wait);
  /// Clears the halt of the IN pipe and starts it again.
  Status mend_in();
  /// CLEAR_FEATURE(ENDPOINT_HALT), and the host's data toggle with it. The kernel bounds it (5 s).
  Status clear_halt(std::uint8_t endpoint);

  /// 0 after a wake, -ETIMEDOUT at the deadline, -ENODEV at the end of the device.
  Status idle(Nanoseconds deadline);
  /// Takes all transfers back, lets go of the interface and has the kernel look for a driver for it, as it
  /// did when the device was plugged in. Bounded (450 ms), but for how long that driver takes with a device
  /// that has just answered: one that does not answer gets none.
  void close() noexcept;

  /// Why the device could not be had, or was lost.
  [[nodiscard]] const std::string& reason() const { return reason_; }

 private:
  struct Transfer;
  struct Close {
    void operator()(libusb_device_handle* handle) const noexcept;
  };
  struct Exit {
    void operator()(libusb_context* context) const noexcept;
  };
  struct InPipe {
    std::uint8_t endpoint = 0;
    bool started = false;
    bool stalled = false;
    unsigned errors = 0;  ///< in a row
    std::vector<Transfer*> transfers;
    std::vector<Transfer*> done;  ///< ended and not looked at yet, in their order
    std::deque<std::vector<std::uint8_t>> packets;
  };

  Status claim(std::uint8_t interface);
  /// A last question before the device is left.
  bool answers() noexcept;
  /// One that is not under way.
  Result<Transfer*> spare();
  Completion run(Transfer& transfer, const Wait& wait);
  Status submit(Transfer& transfer);
  /// Cancels, and waits until `limit` for the end that libusb then reports.
  void take_back(Transfer& transfer, Nanoseconds limit) noexcept;
  /// Waits for the device, a wake or the deadline, and takes in what came.
  Status pump(Nanoseconds deadline, bool& woken);
  /// Has libusb see to what has happened.
  void handle_events() noexcept;
  void take_in_packets();
  void take_in_packet(const Transfer& transfer);
  /// Queues every IN transfer that is at home.
  Status submit_in();
  Status outcome(const Transfer& transfer);
  /// Whether the transfer was ended by usbfs as it lost the interface (driver_disconnect): the device is deauthorized, has
  /// another configuration, or somebody has unbound the interface. libusb calls such a transfer complete, with no bytes.
  [[nodiscard]] bool was_taken(const Transfer& transfer) const;
  /// -ENODEV where a device whose transfer has failed turns out to be gone within a moment, else `status`.
  Status unless_gone(Status status, const Wait& wait);
  [[nodiscard]] bool hung_up() const;
  /// The device is gone. Gives -ENODEV.
  Status lose(std::string why);

  const std::shared_ptr<Waker> waker_;
  const Clock& clock_;
  // In this order: libusb closes its handle before its context, and the node goes last.
  UniqueFd node_;
  std::unique_ptr<libusb_context, Exit> context_;
  std::vector<std::unique_ptr<Transfer>> transfers_;
  std::unique_ptr<libusb_device_handle, Close> handle_;
  std::uint8_t interface_ = 0;
  bool claimed_ = false;
  InPipe in_;
  bool alive_ = false;
  std::string reason_;
};

}  // namespace nvmem::usb
